//! The outer `Option` of a value, which the envelope stores apart from the content: neither JSON nor `MessagePack`
//! distinguishes `Some(None)` from `None`.
//!
//! It is found while the value is serialized and deserialized, so it works without naming the type: in a `Result`, behind an
//! `Arc`, in a generic function.

use serde::de::value::Error as Absent;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, Serializer};
use std::cell::Cell;
use std::fmt::Display;

/// A value to serialize. `Some` is written as its content, and `None` as a unit, which `none` records.
pub(super) struct Content<'a, T: ?Sized> {
    value: &'a T,
    none: Cell<bool>,
}

impl<'a, T: ?Sized> Content<'a, T> {
    pub(super) fn of(value: &'a T) -> Self {
        Self { value, none: Cell::new(false) }
    }

    /// Whether the value was `None` when it was serialized.
    pub(super) fn is_none(&self) -> bool {
        self.none.get()
    }
}

impl<T: Serialize + ?Sized> Serialize for Content<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Unwrapping { inner, none: &self.none })
    }
}

/// A serializer that removes the outer `Option`, and passes everything else to `inner`.
struct Unwrapping<'a, S> {
    inner: S,
    none: &'a Cell<bool>,
}

macro_rules! forward_serialize {
    ($($method:ident($($name:ident: $kind:ty),*) -> $given:ty;)*) => {
        $(fn $method(self, $($name: $kind),*) -> Result<$given, S::Error> {
            self.inner.$method($($name),*)
        })*
    };
}

impl<S: Serializer> Serializer for Unwrapping<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = S::SerializeTuple;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.none.set(true);
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self.inner)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    forward_serialize! {
        serialize_bool(v: bool) -> S::Ok;
        serialize_i8(v: i8) -> S::Ok;
        serialize_i16(v: i16) -> S::Ok;
        serialize_i32(v: i32) -> S::Ok;
        serialize_i64(v: i64) -> S::Ok;
        serialize_i128(v: i128) -> S::Ok;
        serialize_u8(v: u8) -> S::Ok;
        serialize_u16(v: u16) -> S::Ok;
        serialize_u32(v: u32) -> S::Ok;
        serialize_u64(v: u64) -> S::Ok;
        serialize_u128(v: u128) -> S::Ok;
        serialize_f32(v: f32) -> S::Ok;
        serialize_f64(v: f64) -> S::Ok;
        serialize_char(v: char) -> S::Ok;
        serialize_str(v: &str) -> S::Ok;
        serialize_bytes(v: &[u8]) -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
        serialize_seq(len: Option<usize>) -> S::SerializeSeq;
        serialize_tuple(len: usize) -> S::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> S::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> S::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> S::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> S::SerializeStructVariant;
    }
}

/// A value that is deserialized from the content of its outer `Option`, if it has one.
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(inner: D) -> Result<Self, D::Error> {
        T::deserialize(Wrapping(inner)).map(Self)
    }
}

/// A deserializer that reads an `Option` as `Some`, and passes everything else to the inner one.
struct Wrapping<D>(D);

macro_rules! forward_deserialize {
    ($($method:ident($($name:ident: $kind:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Wrapping<D> {
    type Error = D::Error;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self.0)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    forward_deserialize! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}

/// `None` of a type that is an `Option`.
///
/// # Errors
///
/// The type is not an `Option`.
pub(super) fn none<T: DeserializeOwned>() -> Result<T, Absent> {
    T::deserialize(Nothing)
}

/// A deserializer that answers every request with `None`.
struct Nothing;

impl<'de> Deserializer<'de> for Nothing {
    type Error = Absent;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Absent> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use crate::format::envelope::Payload;
    use crate::value::sharing::{InOk, Sharing, Whole};
    use crate::{Codec, Json};
    use std::fmt::Debug;
    use std::sync::Arc;

    /// The stored bytes of a value, which must read back.
    fn stored<C: Codec, T>(value: &T) -> Option<String>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Debug + PartialEq,
    {
        let sharing = Whole::<T, C>::new();
        let payload = sharing.encode(value).unwrap().unwrap();
        assert_eq!(sharing.decode(&payload).as_ref(), Ok(value), "{payload:?}");
        payload.content().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn json<T>(value: &T) -> Option<String>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Debug + PartialEq,
    {
        #[cfg(feature = "msgpack")]
        assert_eq!(stored::<crate::MessagePack, T>(value).is_some(), stored::<Json, T>(value).is_some());
        stored::<Json, T>(value)
    }

    #[test]
    fn an_option_of_any_depth_reads_back() {
        assert_eq!(json(&None::<Option<u8>>), None);
        assert_eq!(json(&Some(None::<u8>)).as_deref(), Some("null"));
        assert_eq!(json(&Some(Some(7_u8))).as_deref(), Some("7"));
        assert_eq!(json(&Some(())).as_deref(), Some("null"));
        assert_eq!(json(&None::<()>), None);
        assert_eq!(json(&Box::new(Some(None::<String>))).as_deref(), Some("null"));
        assert_eq!(json(&None::<std::cmp::Reverse<u8>>), None);
    }

    #[test]
    fn other_types_are_written_unchanged() {
        assert_eq!(json(&()).as_deref(), Some("null"));
        assert_eq!(json(&serde_json::Value::Null).as_deref(), Some("null"));
        assert_eq!(json(&(true, 'x', "text".to_owned(), -7_i8)).as_deref(), Some(r#"[true,"x","text",-7]"#));
        assert_eq!(json(&vec![Some(1), None]).as_deref(), Some("[1,null]"));
        assert_eq!(json(&Ok::<u8, String>(7)).as_deref(), Some(r#"{"Ok":7}"#));
        assert_eq!(json(&std::time::Duration::from_secs(1)).as_deref(), Some(r#"{"secs":1,"nanos":0}"#));
        assert_eq!(json(&std::net::IpAddr::from([127, 0, 0, 1])).as_deref(), Some(r#""127.0.0.1""#));
        assert_eq!(json(&u128::MAX).as_deref(), Some("340282366920938463463374607431768211455"));
        assert_eq!(json(&std::collections::BTreeMap::from([(1_u8, 2_u8)])).as_deref(), Some(r#"{"1":2}"#));
    }

    #[test]
    fn an_option_is_found_in_a_result_and_behind_an_arc() {
        let in_ok = InOk::<Whole<Option<Option<u8>>, Json>, ()>::new();
        for value in [None, Some(None), Some(Some(7))] {
            let payload = in_ok.encode(&Ok(value)).unwrap().unwrap();
            assert_eq!(in_ok.decode(&payload), Ok(Ok(value)));
        }
        let counted = crate::value::sharing::Counted::<Option<Option<u8>>, Json>::new();
        for value in [None, Some(None), Some(Some(7))] {
            let payload = counted.encode(&Arc::new(value)).unwrap().unwrap();
            let read = payload.content().map_or_else(Payload::none, |bytes| Payload::new(bytes.to_vec()));
            assert_eq!(counted.decode(&read), Ok(Arc::new(value)));
        }
    }

    #[test]
    fn none_is_not_a_value_of_another_type() {
        assert!(Whole::<u8, Json>::new().decode(&Payload::none()).is_err());
        assert!(Whole::<Option<u8>, Json>::new().decode(&Payload::new(b"null".to_vec())).is_err());
    }
}
