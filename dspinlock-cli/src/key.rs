//! From a value to the name of its record.

use crate::args::{Key as KeyArgs, Keyed, Kind, Target};
use crate::exit::{Code, Failure, Result};
use crate::say;
use dspinlock::{Client, DSpinlock, KeyEncoder, LockKey};
use schemars::JsonSchema;
use serde::Serialize;
use std::net::IpAddr;

/// What `key` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyName {
    /// The name of the record in Redis.
    pub(crate) key: String,
    /// The value, as an error of the library shows it.
    pub(crate) value: String,
    pub(crate) namespace: Option<String>,
}

/// A value of the command line, as a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Text(String),
    Int(i128),
    Large(u128),
    Bytes(Vec<u8>),
    Bool(bool),
    Uuid(uuid::Uuid),
    Ip(IpAddr),
    Tuple(Vec<Typed>),
}

impl LockKey for Typed {
    fn encode(&self, encoder: &mut KeyEncoder) {
        match self {
            Self::Text(text) => text.encode(encoder),
            Self::Int(number) => number.encode(encoder),
            Self::Large(number) => number.encode(encoder),
            Self::Bytes(bytes) => bytes.encode(encoder),
            Self::Bool(truth) => truth.encode(encoder),
            Self::Uuid(uuid) => uuid.encode(encoder),
            Self::Ip(ip) => ip.encode(encoder),
            // Several parts count as a tuple.
            Self::Tuple(parts) => parts.iter().for_each(|part| part.encode(encoder)),
        }
    }
}

/// Reads a value of this kind.
pub(crate) fn typed(kind: Kind, value: &str) -> Result<Typed> {
    let wrong = |what: &str| Failure::new(Code::Usage, format!("{value:?} is not {what}"));
    Ok(match kind {
        Kind::Text => Typed::Text(value.to_owned()),
        Kind::Int => match (value.parse(), value.parse()) {
            (Ok(number), _) => Typed::Int(number),
            (_, Ok(number)) => Typed::Large(number),
            _ => return Err(wrong("an integer; write digits, with `-` in front of a negative one")),
        },
        Kind::Bytes => {
            Typed::Bytes(hex(value).ok_or_else(|| wrong("bytes in hex; write two digits for each byte"))?)
        }
        Kind::Bool => Typed::Bool(value.parse().map_err(|_| wrong("`true` or `false`"))?),
        Kind::Uuid => Typed::Uuid(value.parse().map_err(|_| wrong("a UUID"))?),
        Kind::Ip => Typed::Ip(value.parse().map_err(|_| wrong("an IP address"))?),
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

/// Reads as many values as there are kinds: one alone, or the parts of a tuple.
pub(crate) fn value_of(kinds: &[Kind], values: &[String]) -> Result<Typed> {
    if kinds.len() != values.len() {
        let what = format!("there are {} types and {} values; write as many", kinds.len(), values.len());
        return Err(Failure::new(Code::Usage, what));
    }
    let mut parts =
        kinds.iter().zip(values).map(|(&kind, value)| typed(kind, value)).collect::<Result<Vec<_>>>()?;
    match parts.pop() {
        Some(only) if parts.is_empty() => Ok(only),
        last => {
            parts.extend(last);
            Ok(Typed::Tuple(parts))
        }
    }
}

/// The lock of a value. It is used for its name, and needs no server.
pub(crate) fn lock(client: &Client, namespace: Option<&str>, value: &Typed) -> DSpinlock {
    client.lock(value).namespace(namespace.unwrap_or_default())
}

/// The name of the record that the user means.
pub(crate) fn record_key(client: &Client, target: &Target) -> Result<String> {
    match (&target.key, &target.value) {
        (Some(key), _) => Ok(key.clone()),
        (None, value) => name_of(client, &target.of, &value.iter().cloned().collect::<Vec<_>>()),
    }
}

fn name_of(client: &Client, of: &Keyed, values: &[String]) -> Result<String> {
    let value = value_of(&of.kinds, values)?;
    Ok(lock(client, of.namespace.as_deref(), &value).record_key()?.to_owned())
}

pub(crate) fn run(prefix: &str, args: &KeyArgs, json: bool) -> Result<()> {
    let client = Client::memory().with_prefix(prefix);
    let key = name_of(&client, &args.of, &args.values)?;
    if json {
        let value = dspinlock::Key::new(&value_of(&args.of.kinds, &args.values)?).to_string();
        return say::print_json(&KeyName { key, value, namespace: args.of.namespace.clone() });
    }
    say::print(&format!("{key}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: Option<&str>, kinds: &[Kind], values: &[&str]) -> String {
        let of = Keyed { namespace: namespace.map(ToOwned::to_owned), kinds: kinds.to_vec() };
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        name_of(&Client::memory(), &of, &values).unwrap()
    }

    #[test]
    fn names_are_those_of_the_library() {
        let client = Client::memory();
        let key = |lock: DSpinlock| lock.record_key().unwrap().to_owned();
        assert_eq!(name(None, &[Kind::Text], &["customer-17"]), key(client.lock("customer-17")));
        assert_eq!(name(Some("b"), &[Kind::Int], &["-1"]), key(client.lock(-1).namespace("b")));
        assert_eq!(name(None, &[Kind::Int], &[&u128::MAX.to_string()]), key(client.lock(u128::MAX)));
        assert_eq!(name(Some("b"), &[Kind::Bytes], &["00fF"]), key(client.lock([0_u8, 255]).namespace("b")));
        assert_eq!(name(None, &[Kind::Bool], &["true"]), key(client.lock(true)));
        let ip: IpAddr = "::1".parse().unwrap();
        assert_eq!(name(None, &[Kind::Ip], &["::1"]), key(client.lock(ip)));
        let both = [Kind::Text, Kind::Int];
        assert_eq!(name(Some("b"), &both, &["acme", "5"]), key(client.lock(("acme", 5)).namespace("b")));
    }

    #[test]
    fn says_what_is_wrong_with_a_value() {
        for (kind, value) in [
            (Kind::Int, "1.5"),
            (Kind::Bytes, "abc"),
            (Kind::Bytes, "xy"),
            (Kind::Bool, "1"),
            (Kind::Uuid, "7"),
        ] {
            assert_eq!(typed(kind, value).unwrap_err().code, 2, "{value}");
        }
        assert_eq!(value_of(&[Kind::Text, Kind::Int], &["a".to_owned()]).unwrap_err().code, 2);
    }
}
