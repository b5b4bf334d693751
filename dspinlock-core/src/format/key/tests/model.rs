//! A model of the values in keys: random values, encoded by the library, and read back by a decoder that follows only the
//! table in the documentation. Values that read back have different keys.

use std::time::Duration;

use proptest::prelude::*;

use crate::format::key::{KeyEncoder, LockKey};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Signed(i128),
    /// Only integers that do not fit the other variant.
    Unsigned(u128),
    Bool(bool),
    Duration(Duration),
    Ip([u8; 4]),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Option(Option<Box<Value>>),
    Struct(String, Vec<Value>),
    Variant([String; 2], Vec<(String, Value)>),
}

impl LockKey for Value {
    fn encode(&self, encoder: &mut KeyEncoder) {
        match self {
            Self::Text(text) => text.encode(encoder),
            Self::Bytes(bytes) => bytes.encode(encoder),
            Self::Signed(n) => n.encode(encoder),
            Self::Unsigned(n) => n.encode(encoder),
            Self::Bool(bool) => bool.encode(encoder),
            Self::Duration(duration) => duration.encode(encoder),
            Self::Ip(octets) => std::net::Ipv4Addr::from(*octets).encode(encoder),
            Self::List(items) => items.encode(encoder),
            Self::Option(value) => value.encode(encoder),
            Self::Tuple(items) => match items.as_slice() {
                [] => ().encode(encoder),
                [a] => (a,).encode(encoder),
                [a, b] => (a, b).encode(encoder),
                [a, b, c] => (a, b, c).encode(encoder),
                [a, b, c, d] => (a, b, c, d).encode(encoder),
                more => panic!("the strategy makes no tuple of {}", more.len()),
            },
            Self::Struct(name, fields) => {
                let fields: Vec<&dyn LockKey> = fields.iter().map(|field| field as &dyn LockKey).collect();
                encoder.unnamed_fields(&[name], &fields);
            }
            Self::Variant([name, variant], fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(name, field)| (&**name, field as &dyn LockKey)).collect();
                encoder.named_fields(&[name, variant], &fields);
            }
        }
    }
}

/// Reads a key as the documentation describes it.
pub(super) fn decode(key: &[u8]) -> Value {
    let (version, value) = key.split_first().unwrap();
    assert_eq!(*version, 1);
    let [value] = <[Value; 1]>::try_from(decode_all(value)).unwrap();
    value
}

fn decode_all(mut bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<9>() {
        let length = u64::from_be_bytes(header[1..].try_into().unwrap());
        let (content, rest) = rest.split_at(usize::try_from(length).unwrap());
        values.push(decode_one(header[0], content));
        bytes = rest;
    }
    assert!(bytes.is_empty());
    values
}

fn decode_one(tag: u8, content: &[u8]) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match tag {
        b't' => Value::Text(text(content)),
        b'y' => Value::Bytes(content.to_vec()),
        b'i' => text(content)
            .parse()
            .map_or_else(|_| Value::Unsigned(text(content).parse().unwrap()), Value::Signed),
        b'b' => Value::Bool(content == [1]),
        b'p' => Value::Duration(Duration::new(
            u64::from_be_bytes(content[..8].try_into().unwrap()),
            u32::from_be_bytes(content[8..].try_into().unwrap()),
        )),
        b'4' => Value::Ip(content.try_into().unwrap()),
        b'(' => Value::Tuple(decode_all(content)),
        b'[' => Value::List(decode_all(content)),
        b'n' => Value::Option(None),
        b'o' => Value::Option(Some(Box::new(decode_all(content).pop().unwrap()))),
        b'S' => {
            let mut parts = decode_all(content);
            let name = parts.remove(0);
            Value::Struct(name.into_text(), parts)
        }
        b'v' => {
            let mut parts = decode_all(content).into_iter();
            let names = [parts.next().unwrap().into_text(), parts.next().unwrap().into_text()];
            let mut fields = Vec::new();
            while let Some(name) = parts.next() {
                fields.push((name.into_text(), parts.next().unwrap()));
            }
            Value::Variant(names, fields)
        }
        other => panic!("unknown tag {other}"),
    }
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?} is not a name"),
        }
    }
}

/// Values of all kinds, up to three levels deep.
pub(super) fn any_value() -> impl Strategy<Value = Value> {
    nested(any::<String>(), any::<Vec<u8>>(), any::<i128>(), any::<u128>())
}

/// Values of few different texts, bytes and numbers, so that many differ only in their borders.
pub(super) fn similar_value() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["", "a", "b", "ab", "1", "t\0\0\0\0\0\0\0\u{1}a", "\0"]);
    let bytes = prop::sample::select(vec![&b""[..], b"a", b"ab", b"\x01", b"\0"]);
    nested(
        text.prop_map(str::to_owned),
        bytes.prop_map(<[u8]>::to_vec),
        -1..2_i128,
        u128::MAX - 1..=u128::MAX,
    )
}

fn nested(
    text: impl Strategy<Value = String> + Clone + 'static,
    bytes: impl Strategy<Value = Vec<u8>> + 'static,
    signed: impl Strategy<Value = i128> + 'static,
    unsigned: impl Strategy<Value = u128> + 'static,
) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text.clone().prop_map(Value::Text),
        bytes.prop_map(Value::Bytes),
        signed.prop_map(Value::Signed),
        unsigned.prop_map(|n| i128::try_from(n).map_or(Value::Unsigned(n), Value::Signed)),
        any::<bool>().prop_map(Value::Bool),
        (0..3_u64, 0..3_u32).prop_map(|(seconds, nanos)| Value::Duration(Duration::new(seconds, nanos))),
        prop::array::uniform4(0..2_u8).prop_map(Value::Ip),
        Just(Value::Option(None)),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let items = prop::collection::vec(inner.clone(), 0..=4);
        let fields = prop::collection::vec((text.clone(), inner.clone()), 0..=3);
        prop_oneof![
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(Value::List),
            inner.prop_map(|value| Value::Option(Some(Box::new(value)))),
            (text.clone(), items).prop_map(|(name, fields)| Value::Struct(name, fields)),
            ([text.clone(), text.clone()], fields).prop_map(|(names, fields)| Value::Variant(names, fields)),
        ]
    })
}
