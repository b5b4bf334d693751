//! The text forms of a key: pure functions of its canonical bytes.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::encoder::{Value, tag};

/// Python's `hash()` of an integer is the integer itself as long as its absolute value is not greater than this.
const LARGEST_OWN_HASH: u128 = (1 << 61) - 2;

pub(super) fn bare(canonical: &[u8], value: Option<Value<'_>>) -> String {
    match value {
        Some(Value { tag: tag::TEXT | tag::BYTES, content }) => sha256_hex(content),
        Some(Value { tag: tag::DATE_TIME, content }) => sha256_hex(&whole_microseconds(content)),
        Some(Value { tag: tag::INTEGER, content }) => {
            python_hash(content).unwrap_or_else(|| digest(canonical))
        }
        _ => digest(canonical),
    }
}

pub(super) fn namespaced(canonical: &[u8], value: Option<Value<'_>>) -> String {
    match value {
        Some(Value { tag: tag::INTEGER, content }) => String::from_utf8_lossy(content).into_owned(),
        _ => digest(canonical),
    }
}

fn digest(canonical: &[u8]) -> String {
    hex_after("v1-", canonical)
}

/// Python's `hash()` of an integer, if that is the integer itself. The hash of −1 is −2, since −1 means an error in Python.
fn python_hash(decimal: &[u8]) -> Option<String> {
    let decimal = str::from_utf8(decimal).ok()?;
    let absolute: u128 = decimal.trim_start_matches('-').parse().ok()?;
    (absolute <= LARGEST_OWN_HASH).then(|| if decimal == "-1" { "-2" } else { decimal }.to_owned())
}

/// The text of a date-time in Python's precision: a fraction of nine digits loses three, or is dropped if that leaves zero.
fn whole_microseconds(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(point) = text.iter().position(|&byte| byte == b'.') else {
        return text.into();
    };
    let (seconds, fraction) = text.split_at(point);
    let end =
        fraction[1..].iter().position(|byte| !byte.is_ascii_digit()).map_or(fraction.len(), |at| at + 1);
    let (fraction, offset) = fraction.split_at(end);
    match fraction.get(..7) {
        Some(b".000000") => [seconds, offset].concat().into(),
        Some(micros) => [seconds, micros, offset].concat().into(),
        None => text.into(),
    }
}

/// SHA-256 in lower-case hex.
fn sha256_hex(bytes: &[u8]) -> String {
    hex_after("", bytes)
}

/// A prefix, and SHA-256 in lower-case hex.
fn hex_after(prefix: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let sum = Sha256::digest(bytes);
    let mut text = String::with_capacity(prefix.len() + 2 * sum.len());
    text.push_str(prefix);
    text.extend(sum.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}
