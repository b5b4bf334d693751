//! What is locked: the caller's value, its canonical encoding, and the stable text forms made of it.
//!
//! Every value that implements [`LockKey`] becomes a [`Key`]: one byte string that is the same in every process, on
//! every platform and in every release, and that no different value shares. A std hash could promise none of that.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod dates;
mod encoder;
mod impls;
mod render;
mod uid;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::encoder::{KeyEncoder, LockKey};
use self::encoder::{VERSION, Value};

/// The canonical encoding of a value: what makes two locks the same lock.
///
/// `Display` and `Debug` show the value as it would be written in Rust, in at most 64 characters.
///
/// ```
/// use dspinlock::Key;
///
/// let key = Key::new(&("acme", 5));
/// assert_eq!(key.to_string(), r#"("acme", 5)"#);
/// assert_eq!(key, Key::new(&(String::from("acme"), 5_u8)));
/// assert_ne!(Key::new(&("a", "bc")), Key::new(&("ab", "c")));
/// ```
///
/// # The encoding, version 1
///
/// It is frozen, so that services in other languages can make the same keys. A key is the version byte `1` followed
/// by one value. A value is a tag of one byte, the length of its content as eight bytes with the highest first, and
/// its content:
///
/// | tag | value | content |
/// | --- | --- | --- |
/// | `t` | text: `str`, `String`, `char` | UTF-8 |
/// | `y` | bytes: `[u8]`, `Vec<u8>`, `[u8; N]` | as they are |
/// | `i` | an integer of any type | decimal, with `-` when negative |
/// | `b` | `bool` | one byte, `0` or `1` |
/// | `d` | a date-time | text, see below |
/// | `D`, `T` | a date, a time of day | text, see below |
/// | `p` | `Duration` | seconds in eight bytes, nanoseconds in four |
/// | `u` | `Uuid` | its 16 bytes |
/// | `4`, `6` | an IP address | its 4 or 16 bytes |
/// | `n` | `None` | none |
/// | `o` | `Some` | the value |
/// | `(` | a tuple; `()` has no items | its values |
/// | `[` | a list: slice, array, `Vec`, `BTreeSet`; a `BTreeMap` is a list of pairs | its values |
/// | `S`, `s` | a struct with unnamed or named fields | its name as text; its fields |
/// | `V`, `v` | an enum's variant with unnamed or named fields | the names of enum and variant as text; its fields |
///
/// A named field is its name as text, then its value; named fields are sorted by name (as bytes). References and smart
/// pointers encode as what they point to. All integers of one value meet (`5_u8`, `5_i64`), as do all containers of one
/// text. `Some(x)` is not `x`, `(x,)` is not `x`, and a tuple is not a list. A list of `u8` is bytes, so it does not meet the
/// same numbers in a list of `u16`.
///
/// Date-times are the text of Python's `isoformat()`: `2026-01-31T23:59:59`, then `.000123` unless that is zero, then
/// the offset (`+00:00`, with seconds where it has some) unless the type is one without. Two offsets of one moment are
/// therefore two keys, as in Python. Where there are nanoseconds below the microsecond, the fraction has nine digits.
/// Years outside of 0 to 9999 have a sign and six digits.
///
/// Floats are no keys: `0.1 + 0.2` and `0.3` would not meet, and `NaN` is not even itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    bytes: Vec<u8>,
}

impl Key {
    /// Encodes a value.
    pub fn new(value: &(impl LockKey + ?Sized)) -> Self {
        Self { bytes: KeyEncoder::encode_key(value) }
    }

    /// The canonical bytes: different values have different ones, in this and every other process.
    pub fn canonical(&self) -> &[u8] {
        &self.bytes
    }

    /// The uid of a lock without a namespace: for text, bytes, date-times and integers the one that Python's
    /// py-dspinlock gives.
    ///
    /// Text, bytes and date-times are a SHA-256 in lower-case hex (so text and bytes of the same octets meet); an
    /// integer of at most 2^61−2 either way is the decimal that Python's `hash()` gives (so −1 and −2 are both `-2`).
    /// What is below a microsecond in a date-time does not count, since Python has no such. All other values are `v1-`
    /// and the SHA-256 of [`canonical`](Self::canonical).
    ///
    /// ```
    /// use dspinlock::Key;
    ///
    /// assert_eq!(Key::new(&-1).bare_uid(), "-2");
    /// assert!(Key::new("example").bare_uid().starts_with("50d858e0985ecc7f60418aaf0cc5ab58"));
    /// ```
    pub fn bare_uid(&self) -> String {
        uid::bare(self.canonical(), self.value())
    }

    /// The uid of a lock in a namespace, where no two values share one: an integer is its decimal, any other value is
    /// `v1-` and the SHA-256 of [`canonical`](Self::canonical).
    ///
    /// ```
    /// use dspinlock::Key;
    ///
    /// assert_eq!(Key::new(&-1).namespaced_uid(), "-1");
    /// assert_ne!(Key::new("a").namespaced_uid(), Key::new(b"a").namespaced_uid());
    /// ```
    pub fn namespaced_uid(&self) -> String {
        uid::namespaced(self.canonical(), self.value())
    }

    /// The one encoded value behind the version byte.
    fn encoded_value(&self) -> &[u8] {
        self.bytes.strip_prefix(&[VERSION]).unwrap_or_default()
    }

    fn value(&self) -> Option<Value<'_>> {
        Value::split(self.encoded_value()).map(|(value, _)| value)
    }
}

/// A key made before is a key for the value it was made of.
impl LockKey for Key {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.encoded(self.encoded_value());
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&render::render(self.encoded_value()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}
