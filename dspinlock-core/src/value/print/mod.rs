//! What serde sees of a value, as one number: a value that reads back as it was has the same one.
//!
//! It says what bytes can't: two equal sets come in another order from one run to the next, and users' types need no
//! `PartialEq`. So what is in a collection counts in any order, what is in a tuple in its own, and fields with their names. What
//! serde is not shown does not count, as by `#[serde(skip)]`. It keeps nothing and allocates nothing.

use serde::de::value::Error;
use serde::ser::{self, Serialize, Serializer};
use std::cell::Cell;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hasher};

/// What was seen of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) print: u64,
    /// There is a float that is no number, or infinite.
    pub(super) not_finite: bool,
    /// There is a `Some` of nothing: of a `None` or a unit.
    pub(super) some_nothing: bool,
}

/// Looks at a value.
///
/// # Errors
///
/// The value's own, where it can't be written at all.
pub(super) fn look<T: Serialize + ?Sized>(value: &T) -> Result<Seen, Error> {
    let (not_finite, some_nothing) = (Cell::new(false), Cell::new(false));
    let Print(print) = value.serialize(Eye { not_finite: &not_finite, some_nothing: &some_nothing })?;
    Ok(Seen { print, not_finite: not_finite.get(), some_nothing: some_nothing.get() })
}

#[derive(Clone, Copy)]
struct Eye<'a> {
    not_finite: &'a Cell<bool>,
    some_nothing: &'a Cell<bool>,
}

/// The number of one value, or of a part of one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Print(u64);

/// What a value is, apart from its content.
#[derive(Clone, Copy)]
enum Kind {
    Bool = 1,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    None,
    Some,
    Unit,
    Variant,
    Several,
    Entry,
}

impl Print {
    const NONE: Self = Self::of(Kind::None, 0);
    const UNIT: Self = Self::of(Kind::Unit, 0);

    /// The finalizer of `SplitMix64`: each bit of what goes in changes half of what comes out.
    const fn of(kind: Kind, content: u64) -> Self {
        let mut z = content.wrapping_add((kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(z ^ (z >> 31))
    }

    fn of_bytes(kind: Kind, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self::of(kind, hasher.finish())
    }

    fn of_variant(index: u32, content: Self) -> Self {
        Self::of(Kind::Variant, content.0 ^ Self::of(Kind::U32, index.into()).0)
    }
}

impl<'a> Serializer for Eye<'a> {
    type Ok = Print;
    type Error = Error;
    type SerializeSeq = Several<'a>;
    type SerializeTuple = Several<'a>;
    type SerializeTupleStruct = Several<'a>;
    type SerializeTupleVariant = Several<'a>;
    type SerializeMap = Several<'a>;
    type SerializeStruct = Several<'a>;
    type SerializeStructVariant = Several<'a>;

    fn serialize_bool(self, v: bool) -> Result<Print, Error> {
        Ok(Print::of(Kind::Bool, v.into()))
    }

    fn serialize_i8(self, v: i8) -> Result<Print, Error> {
        Ok(Print::of(Kind::I8, v.cast_unsigned().into()))
    }

    fn serialize_i16(self, v: i16) -> Result<Print, Error> {
        Ok(Print::of(Kind::I16, v.cast_unsigned().into()))
    }

    fn serialize_i32(self, v: i32) -> Result<Print, Error> {
        Ok(Print::of(Kind::I32, v.cast_unsigned().into()))
    }

    fn serialize_i64(self, v: i64) -> Result<Print, Error> {
        Ok(Print::of(Kind::I64, v.cast_unsigned()))
    }

    fn serialize_i128(self, v: i128) -> Result<Print, Error> {
        Ok(Print::of_bytes(Kind::I128, &v.to_be_bytes()))
    }

    fn serialize_u8(self, v: u8) -> Result<Print, Error> {
        Ok(Print::of(Kind::U8, v.into()))
    }

    fn serialize_u16(self, v: u16) -> Result<Print, Error> {
        Ok(Print::of(Kind::U16, v.into()))
    }

    fn serialize_u32(self, v: u32) -> Result<Print, Error> {
        Ok(Print::of(Kind::U32, v.into()))
    }

    fn serialize_u64(self, v: u64) -> Result<Print, Error> {
        Ok(Print::of(Kind::U64, v))
    }

    fn serialize_u128(self, v: u128) -> Result<Print, Error> {
        Ok(Print::of_bytes(Kind::U128, &v.to_be_bytes()))
    }

    fn serialize_f32(self, v: f32) -> Result<Print, Error> {
        self.not_finite.set(self.not_finite.get() || !v.is_finite());
        // What of a NaN is in its bits says nothing.
        Ok(Print::of(Kind::F32, if v.is_nan() { f32::NAN } else { v }.to_bits().into()))
    }

    fn serialize_f64(self, v: f64) -> Result<Print, Error> {
        self.not_finite.set(self.not_finite.get() || !v.is_finite());
        Ok(Print::of(Kind::F64, if v.is_nan() { f64::NAN } else { v }.to_bits()))
    }

    fn serialize_char(self, v: char) -> Result<Print, Error> {
        Ok(Print::of(Kind::Char, u32::from(v).into()))
    }

    fn serialize_str(self, v: &str) -> Result<Print, Error> {
        Ok(Print::of_bytes(Kind::Text, v.as_bytes()))
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<Print, Error> {
        Ok(Print::of_bytes(Kind::Bytes, v))
    }

    fn serialize_none(self) -> Result<Print, Error> {
        Ok(Print::NONE)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Print, Error> {
        let content = value.serialize(self)?;
        let nothing = [Print::NONE, Print::UNIT].contains(&content);
        self.some_nothing.set(self.some_nothing.get() || nothing);
        Ok(Print::of(Kind::Some, content.0))
    }

    fn serialize_unit(self) -> Result<Print, Error> {
        Ok(Print::UNIT)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Print, Error> {
        Ok(Print::UNIT)
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<Print, Error> {
        Ok(Print::of_variant(index, Print::UNIT))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Print, Error> {
        // It is written as what is in it, so that a `Some` of it may be one of nothing.
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Print, Error> {
        Ok(Print::of_variant(index, value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Several<'a>, Error> {
        Ok(Several::new(self))
    }

    fn serialize_tuple(self, _: usize) -> Result<Several<'a>, Error> {
        Ok(Several { in_order: true, ..Several::new(self) })
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Several<'a>, Error> {
        Ok(Several { in_order: true, ..Several::new(self) })
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Several<'a>, Error> {
        Ok(Several { variant: Some(index), in_order: true, ..Several::new(self) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Several<'a>, Error> {
        Ok(Several::new(self))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Several<'a>, Error> {
        Ok(Several::new(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Several<'a>, Error> {
        Ok(Several { variant: Some(index), ..Several::new(self) })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Print, Error> {
        let mut text = Text(DefaultHasher::new());
        write!(text, "{value}").map_err(ser::Error::custom)?;
        Ok(Print::of(Kind::Text, text.0.finish()))
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

/// A collection of parts.
struct Several<'a> {
    eye: Eye<'a>,
    variant: Option<u32>,
    in_order: bool,
    number: u64,
    sum: u64,
    /// The key whose value comes next.
    key: u64,
}

impl<'a> Several<'a> {
    fn new(eye: Eye<'a>) -> Self {
        Self { eye, variant: None, in_order: false, number: 0, sum: 0, key: 0 }
    }

    fn take(&mut self, Print(part): Print) {
        self.number += 1;
        let part =
            if self.in_order { Print::of(Kind::Entry, part ^ self.number.rotate_left(32)).0 } else { part };
        self.sum = self.sum.wrapping_add(part);
    }

    /// Takes a part that belongs to a key or to the name of a field.
    fn take_entry(&mut self, Print(key): Print, Print(part): Print) {
        self.take(Print::of(Kind::Entry, part ^ key.rotate_left(32)));
    }

    fn done(self) -> Print {
        let parts = Print::of(Kind::Several, self.sum ^ Print::of(Kind::U64, self.number).0);
        self.variant.map_or(parts, |index| Print::of_variant(index, parts))
    }
}

macro_rules! several {
    ($($what:ident::$method:ident();)*) => {
        $(impl ser::$what for Several<'_> {
            type Ok = Print;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.take(value.serialize(self.eye)?);
                Ok(())
            }

            fn end(self) -> Result<Print, Error> {
                Ok(self.done())
            }
        })*
    };
}

several! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
}

macro_rules! named {
    ($($what:ident;)*) => {
        $(impl ser::$what for Several<'_> {
            type Ok = Print;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                let value = value.serialize(self.eye)?;
                self.take_entry(Print::of_bytes(Kind::Text, name.as_bytes()), value);
                Ok(())
            }

            fn end(self) -> Result<Print, Error> {
                Ok(self.done())
            }
        })*
    };
}

named! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Several<'_> {
    type Ok = Print;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        Print(self.key) = key.serialize(self.eye)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.eye)?;
        self.take_entry(Print(self.key), value);
        Ok(())
    }

    fn end(self) -> Result<Print, Error> {
        Ok(self.done())
    }
}

#[cfg(test)]
mod tests;
