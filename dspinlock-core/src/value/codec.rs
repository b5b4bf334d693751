//! How a value becomes bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;

/// A way to write values as bytes and to read them back.
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
    /// What the envelope says of the bytes: a value written by another codec is not read.
    const NAME: &'static str;

    /// Whether everything that it can write reads back as it was. Then values are stored without being looked at first,
    /// which takes as long again as reading one. JSON has no NaN, neither codec of the library tells an inner `Some(None)`
    /// from `None`, and what is lost in untagged enums depends on the type: so it is `false` unless you know better.
    const FAITHFUL: bool = false;

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// What can't be written. Such a value is returned and not stored.
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl Error>;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes. A stored value is then a miss. What was just written is read back before it is stored,
    /// and not stored if that fails.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl Error>;
}

/// JSON, which people and other languages can read: the default.
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

/// `MessagePack` with the names of fields: smaller and quicker than JSON, for values with many numbers or bytes.
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
