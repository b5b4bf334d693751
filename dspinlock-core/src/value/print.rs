//! What serde sees of a value, as one number: a value that reads back as it was has the same one.
//!
//! It says what bytes can't: two equal sets come in another order from one run to the next, and users' types need no
//! `PartialEq`. So what is in a collection counts in any order. Names of fields don't count, since a type has only one set
//! of them, and neither does what serde is not shown, as by `#[serde(skip)]`. It keeps nothing and allocates nothing.

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
        Ok(Several::new(self))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Several<'a>, Error> {
        Ok(Several::new(self))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Several<'a>, Error> {
        Ok(Several { variant: Some(index), ..Several::new(self) })
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
    number: u64,
    sum: u64,
    /// The key whose value comes next.
    key: u64,
}

impl<'a> Several<'a> {
    fn new(eye: Eye<'a>) -> Self {
        Self { eye, variant: None, number: 0, sum: 0, key: 0 }
    }

    fn take(&mut self, Print(part): Print) {
        self.number += 1;
        self.sum = self.sum.wrapping_add(part);
    }

    fn done(self) -> Print {
        let parts = Print::of(Kind::Several, self.sum ^ Print::of(Kind::U64, self.number).0);
        self.variant.map_or(parts, |index| Print::of_variant(index, parts))
    }
}

macro_rules! several {
    ($($what:ident::$method:ident($($name:ident: $kind:ty),*);)*) => {
        $(impl ser::$what for Several<'_> {
            type Ok = Print;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $kind,)* value: &T) -> Result<(), Error> {
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
    SerializeStruct::serialize_field(_name: &'static str);
    SerializeStructVariant::serialize_field(_name: &'static str);
}

impl ser::SerializeMap for Several<'_> {
    type Ok = Print;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        Print(self.key) = key.serialize(self.eye)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Print(value) = value.serialize(self.eye)?;
        self.take(Print::of(Kind::Entry, value ^ self.key.rotate_left(32)));
        Ok(())
    }

    fn end(self) -> Result<Print, Error> {
        Ok(self.done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::{BTreeMap, HashMap, HashSet};

    fn print<T: Serialize + ?Sized>(value: &T) -> u64 {
        look(value).unwrap().print
    }

    #[test]
    fn equal_collections_have_one_print_in_any_order() {
        let numbers = || 0..1_000_u64;
        let (one, other): (HashSet<_>, HashSet<_>) = (numbers().collect(), numbers().rev().collect());
        assert_eq!(print(&one), print(&other));
        let map = |numbers: &mut dyn Iterator<Item = u64>| {
            numbers.map(|n| (n.to_string(), n)).collect::<HashMap<_, _>>()
        };
        assert_eq!(print(&map(&mut numbers())), print(&map(&mut numbers().rev())));
    }

    #[test]
    fn what_serde_tells_apart_has_another_print() {
        let values = [
            print(&7_u8),
            print(&7_u64),
            print(&7_i64),
            print(&7_u128),
            print(&7_f64),
            print(&7_f32),
            print("7"),
            print(&'7'),
            print(&Some(7_u8)),
            print(&Some(Some(7_u8))),
            print(&None::<u8>),
            print(&()),
            print(&Some(None::<u8>)),
            print(&[7_u8]),
            print(&[7_u8, 0]),
            print(&[[7_u8], [0]]),
            print(&BTreeMap::from([(7_u8, 0_u8)])),
            print(&BTreeMap::from([(0_u8, 7_u8)])),
            print(&Ok::<u8, u8>(7)),
            print(&Err::<u8, u8>(7)),
            print(&0.0_f64),
            print(&-0.0_f64),
            print(&json!({"a": 1, "b": 2})),
            print(&json!({"a": 2, "b": 1})),
        ];
        assert_eq!(HashSet::from(values).len(), values.len());
    }

    #[test]
    fn what_a_codec_may_lose_is_seen() {
        let seen = |value: &[Option<f64>]| {
            let seen = look(value).unwrap();
            (seen.not_finite, seen.some_nothing)
        };
        assert_eq!(seen(&[Some(1.0), None]), (false, false));
        assert_eq!(seen(&[Some(f64::NAN)]), (true, false));
        assert!(look(&[Some(None::<f64>)]).unwrap().some_nothing);
        assert!(look(&f32::NEG_INFINITY).unwrap().not_finite);
        assert_eq!(print(&f64::NAN), print(&-f64::NAN));
    }

    #[test]
    fn text_in_pieces_is_the_text() {
        struct Pieces;
        impl Serialize for Pieces {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{}-{}", "one", 2))
            }
        }
        assert_eq!(print(&Pieces), print("one-2"));
    }

    proptest! {
        #[test]
        fn is_that_of_the_value_alone(
            one in vec(any::<(Option<i32>, String, u128)>(), 0..8),
            other in vec(any::<(Option<i32>, String, u128)>(), 0..8),
        ) {
            prop_assert_eq!(print(&one), print(&one.clone()));
            let sorted = |mut values: Vec<_>| { values.sort_unstable(); values };
            prop_assert_eq!(print(&one) == print(&other), sorted(one) == sorted(other));
        }
    }
}
