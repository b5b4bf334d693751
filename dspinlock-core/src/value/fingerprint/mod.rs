//! A fingerprint of what serde sees of a value: if the value reads back unchanged, so does its fingerprint.
//!
//! Comparing bytes or values would not do: equal sets differ in their order from one run to the next, and users' types need
//! no `PartialEq`. The items of a collection count in any order, the items of a tuple in their own, and fields with their
//! names. Content that serde does not see, as with `#[serde(skip)]`, does not count. Nothing is allocated.

mod number;
mod parts;

use number::{Fingerprint, Kind};
use parts::Parts;
use serde::de::value::Error;
use serde::ser::{self, Serialize, Serializer};
use std::cell::Cell;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hasher};

/// What serde saw of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) fingerprint: u64,
    /// There is a NaN or an infinity in it.
    pub(super) not_finite: bool,
    /// There is a `Some(None)` or a `Some(())` in it.
    pub(super) some_nothing: bool,
}

/// Takes the fingerprint of a value.
///
/// # Errors
///
/// The value's own, if it can't be serialized at all.
pub(super) fn inspect<T: Serialize + ?Sized>(value: &T) -> Result<Seen, Error> {
    let (not_finite, some_nothing) = (Cell::new(false), Cell::new(false));
    let Fingerprint(fingerprint) =
        value.serialize(Fingerprinter { not_finite: &not_finite, some_nothing: &some_nothing })?;
    Ok(Seen { fingerprint, not_finite: not_finite.get(), some_nothing: some_nothing.get() })
}

#[derive(Clone, Copy)]
struct Fingerprinter<'a> {
    not_finite: &'a Cell<bool>,
    some_nothing: &'a Cell<bool>,
}

impl Serializer for Fingerprinter<'_> {
    type Ok = Fingerprint;
    type Error = Error;
    type SerializeSeq = Parts<Self>;
    type SerializeTuple = Parts<Self>;
    type SerializeTupleStruct = Parts<Self>;
    type SerializeTupleVariant = Parts<Self>;
    type SerializeMap = Parts<Self>;
    type SerializeStruct = Parts<Self>;
    type SerializeStructVariant = Parts<Self>;

    fn serialize_bool(self, v: bool) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::Bool, v.into()))
    }

    fn serialize_i8(self, v: i8) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::I8, v.cast_unsigned().into()))
    }

    fn serialize_i16(self, v: i16) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::I16, v.cast_unsigned().into()))
    }

    fn serialize_i32(self, v: i32) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::I32, v.cast_unsigned().into()))
    }

    fn serialize_i64(self, v: i64) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::I64, v.cast_unsigned()))
    }

    fn serialize_i128(self, v: i128) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_bytes(Kind::I128, &v.to_be_bytes()))
    }

    fn serialize_u8(self, v: u8) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::U8, v.into()))
    }

    fn serialize_u16(self, v: u16) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::U16, v.into()))
    }

    fn serialize_u32(self, v: u32) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::U32, v.into()))
    }

    fn serialize_u64(self, v: u64) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::U64, v))
    }

    fn serialize_u128(self, v: u128) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_bytes(Kind::U128, &v.to_be_bytes()))
    }

    fn serialize_f32(self, v: f32) -> Result<Fingerprint, Error> {
        self.not_finite.set(self.not_finite.get() || !v.is_finite());
        // The bits of a NaN carry no meaning.
        Ok(Fingerprint::of(Kind::F32, if v.is_nan() { f32::NAN } else { v }.to_bits().into()))
    }

    fn serialize_f64(self, v: f64) -> Result<Fingerprint, Error> {
        self.not_finite.set(self.not_finite.get() || !v.is_finite());
        Ok(Fingerprint::of(Kind::F64, if v.is_nan() { f64::NAN } else { v }.to_bits()))
    }

    fn serialize_char(self, v: char) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(Kind::Char, u32::from(v).into()))
    }

    fn serialize_str(self, v: &str) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_bytes(Kind::Text, v.as_bytes()))
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_bytes(Kind::Bytes, v))
    }

    fn serialize_none(self) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::NONE)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Fingerprint, Error> {
        let content = value.serialize(self)?;
        let nothing = [Fingerprint::NONE, Fingerprint::UNIT].contains(&content);
        self.some_nothing.set(self.some_nothing.get() || nothing);
        Ok(Fingerprint::of(Kind::Some, content.0))
    }

    fn serialize_unit(self) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::UNIT)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::UNIT)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_variant(index, Fingerprint::UNIT))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Fingerprint, Error> {
        // It is written as its content, so a `Some` of it may be a `Some(None)`.
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of_variant(index, value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<Self>, Error> {
        Ok(Parts::unordered(self, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<Self>, Error> {
        Ok(Parts::ordered(self, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<Self>, Error> {
        Ok(Parts::ordered(self, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<Self>, Error> {
        Ok(Parts::ordered(self, Some(index)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<Self>, Error> {
        Ok(Parts::unordered(self, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<Self>, Error> {
        Ok(Parts::unordered(self, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<Self>, Error> {
        Ok(Parts::unordered(self, Some(index)))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Fingerprint, Error> {
        let mut text = Text(DefaultHasher::new());
        write!(text, "{value}").map_err(ser::Error::custom)?;
        Ok(Fingerprint::of(Kind::Text, text.0.finish()))
    }
}

/// Takes text in pieces.
struct Text(DefaultHasher);

impl Write for Text {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        self.0.write(piece.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
