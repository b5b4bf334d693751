//! Keys: the canonical encoding of the caller's value, and its stable text forms.
//!
//! Every value that implements [`LockKey`] becomes a [`Key`]: a byte string that is the same in every process, on every
//! platform and in every release, and that is different for different values. A hash of std promises none of that.

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

/// The canonical encoding of a value. Two locks with equal keys, in the same namespace, are the same lock.
///
/// `Display` and `Debug` show the value as Rust source, in at most 64 characters.
///
/// # Examples
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
/// The encoding is frozen, so services in other languages can make the same keys. A key is the version byte `1`, followed
/// by one value. A value is a tag of one byte, the length of its content as eight big-endian bytes, and its content:
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
/// A named field is its name as text, then its value. Named fields are sorted by name, as bytes. References and smart
/// pointers encode as the value they point to. Integers of the same value are the same key whatever their type (`5_u8`,
/// `5_i64`), and so are containers of the same text. `Some(x)` is not `x`, `(x,)` is not `x`, and a tuple is not a list. A
/// list of `u8` is bytes, so it is not the same key as a list of `u16` with the same numbers.
///
/// Date-times are the text of Python's `isoformat()`: `2026-01-31T23:59:59`, then `.000123` unless that is zero, then
/// the offset (`+00:00`, with its seconds if it has any) unless the type has none. The same moment at two offsets is
/// therefore two keys, as in Python. With nanoseconds below the microsecond, the fraction has nine digits. Years outside
/// 0 to 9999 have a sign and six digits.
///
/// Floats are not keys: `0.1 + 0.2` and `0.3` would be different keys, and `NaN` does not equal itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    bytes: Vec<u8>,
}

/// The room for a key as they usually are.
const USUAL: usize = 48;

impl Key {
    /// Creates the key of a value.
    pub fn new(value: &(impl LockKey + ?Sized)) -> Self {
        Self { bytes: Self::append(Vec::with_capacity(USUAL), value) }
    }

    /// Appends the [canonical](Self::canonical) bytes of a value's key.
    pub(crate) fn append(bytes: Vec<u8>, value: &(impl LockKey + ?Sized)) -> Vec<u8> {
        KeyEncoder::append_key(bytes, value)
    }

    /// The key with these [canonical](Self::canonical) bytes.
    pub(crate) fn from_canonical(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    /// Returns the canonical bytes, which are different for different values and the same in every process.
    pub fn canonical(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the uid of a lock without a namespace. For text, bytes, date-times and integers it is py-dspinlock's.
    ///
    /// Text, bytes and date-times give a SHA-256 in lower-case hex, so text and bytes of the same octets have the same uid.
    /// An integer with an absolute value of at most 2^61−2 gives the decimal of Python's `hash()`, so −1 and −2 are both
    /// `-2`. The part of a date-time below a microsecond does not count, since Python has none. All other values give `v1-`
    /// and the SHA-256 of [`canonical`](Self::canonical).
    ///
    /// # Examples
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

    /// Returns the uid of a lock in a namespace, which is different for different values.
    ///
    /// An integer gives its decimal, and any other value `v1-` and the SHA-256 of [`canonical`](Self::canonical).
    ///
    /// # Examples
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

    /// The encoded value after the version byte.
    fn encoded_value(&self) -> &[u8] {
        self.bytes.strip_prefix(&[VERSION]).unwrap_or_default()
    }

    fn value(&self) -> Option<Value<'_>> {
        Value::split(self.encoded_value()).map(|(value, _)| value)
    }
}

/// A key is the key of its value: `Key::new(&key) == key`.
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
