//! The encodings of values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;

/// An encoding of cached values: serializes a value to bytes, and deserializes it again.
///
/// [`Json`] is the default. Choose another one with `cached(codec = …)`.
///
/// # Examples
///
/// ```
/// use dspinlock::{Codec, Json};
///
/// let bytes = Json::encode(&vec![1, 2, 3]).unwrap();
/// assert_eq!(bytes, b"[1,2,3]");
/// let back: Vec<u32> = Json::decode(&bytes).unwrap();
/// assert_eq!(back, [1, 2, 3]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no codec",
    label = "by `codec = {Self}`, values here are stored by it",
    note = "implement `dspinlock::Codec` for it, or leave `codec` out for JSON"
)]
pub trait Codec {
    /// The name of the codec. It is stored with each value, and a value with another name is a miss.
    const NAME: &'static str;

    /// Whether every value that the codec can write reads back unchanged.
    ///
    /// If this is `false`, each value is read back and compared before it is stored, which takes about as long as reading it.
    /// Neither codec of this library is faithful: JSON has no NaN, neither distinguishes an inner `Some(None)` from `None`,
    /// and untagged enums can lose information.
    const FAITHFUL: bool = false;

    /// Serializes a value.
    ///
    /// # Errors
    ///
    /// Returns an error if the value can't be serialized. The caller then gets the value, but it is not stored.
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl Error>;

    /// Deserializes a value.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not such a value. A stored value then counts as a miss, and a new value that fails
    /// to read back is not stored.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl Error>;
}

/// JSON, the default codec. People and other languages can read it.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Codec for Json {
    const NAME: &'static str = "json";

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl Error> {
        serde_json::to_vec(value)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl Error> {
        serde_json::from_slice(bytes)
    }
}

/// `MessagePack` with field names. It is smaller and faster than JSON for values with many numbers or bytes.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, Debug)]
pub struct MessagePack;

#[cfg(feature = "msgpack")]
impl Codec for MessagePack {
    const NAME: &'static str = "msgpack";

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl Error> {
        rmp_serde::to_vec_named(value)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl Error> {
        rmp_serde::from_slice(bytes)
    }
}
