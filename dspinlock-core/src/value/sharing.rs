//! The stored part of a function's return value, by its type: the whole value, or the one in `Ok`.
//!
//! The generated code picks one of these types by the compiler's method lookup, which sees through aliases.

use crate::format::envelope::{Encoded, Payload};
use crate::value::codec::Codec;
use crate::value::{fingerprint, outer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

/// A value that can be stored: it can be written, and read back as an owned value.
#[diagnostic::on_unimplemented(
    message = "`cached` stores what the function computes, and `{Self}` cannot be stored",
    label = "cannot be written and read back",
    note = "a type of your own derives both: `#[derive(serde::Serialize, serde::Deserialize)]`; a type parameter has \
            `serde::Serialize + serde::de::DeserializeOwned` as bounds",
    note = "in place of a type of another crate that does not implement both, such as `axum::Json<V>`, return the `V` in it, and \
            wrap that in the caller",
    note = "a borrowed value can be written and not read back: return an owned one, such as a `String` in place of a `&str`"
)]
pub trait CachedValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CachedValue for T {}

/// A way to share the return values of a function.
pub trait Sharing: Sized {
    /// The function's return type.
    type Return;

    /// The type of the stored part.
    type Value;

    /// Creates it; it has no state.
    fn new() -> Self;

    /// The stored part of a success, if there is one.
    fn value<'a>(&self, returned: &'a Self::Return) -> Option<&'a Self::Value>;

    /// The names of the codec and of the stored type; `None` if there is no stored part.
    fn kind(&self) -> Option<(&'static str, &'static str)>;

    /// Encodes the stored part of a success; `None` if there is no stored part.
    fn encode(&self, returned: &Self::Return) -> Option<Result<Payload, Unwritable>>;

    /// The return value of a caller that gets an encoded value.
    fn decode(&self, payload: &Payload) -> Result<Self::Return, String>;

    /// The return value of a caller that learns that the work is done, if there is no stored part.
    fn done(&self) -> Option<Self::Return>;
}

/// A value that can't be stored, since it can't be written or would not read back unchanged.
#[derive(Debug)]
pub struct Unwritable {
    pub(crate) why: String,
    /// The value itself, if the callers of this process can share it.
    pub(crate) shared: Option<Payload>,
}

impl Unwritable {
    fn new(why: String) -> Self {
        Self { why, shared: None }
    }
}

fn encode<C: Codec, T: CachedValue>(value: &T) -> Result<Payload, Unwritable> {
    let content = outer::Content::of(value);
    let bytes = C::encode(&content)
        .map_err(|error| Unwritable::new(format!("`{}` can't write it: {error}", C::NAME)))?;
    let payload = if content.is_none() { Payload::none() } else { Payload::new(bytes) };
    if !C::FAITHFUL {
        reads_back::<C, T>(value, &payload).map_err(Unwritable::new)?;
    }
    Ok(payload)
}

fn keeps_nan<C: Codec>() -> bool {
    C::encode(&f64::NAN).is_ok_and(|bytes| C::decode(&bytes).is_ok_and(f64::is_nan))
}

/// Reads the value back, and compares the fingerprints.
fn reads_back<C: Codec, T: CachedValue>(value: &T, payload: &Payload) -> Result<(), String> {
    let seen = fingerprint::inspect(value).map_err(|error| text(&error))?;
    let read = decode::<C, T>(payload);
    let seen_again = read.as_ref().map(|read| fingerprint::inspect(read).map(|seen| seen.fingerprint));
    if seen_again == Ok(Ok(seen.fingerprint)) {
        return Ok(());
    }
    let codec = C::NAME;
    Err(if seen.not_finite && !keeps_nan::<C>() {
        format!(
            "there is a NaN or an infinity in it, which `{codec}` does not keep; `codec = dspinlock::MessagePack` does"
        )
    } else if seen.some_nothing {
        format!(
            "there is a `Some(None)` or a `Some(())` inside it, which `{codec}` reads back as `None`; use an enum of your own instead"
        )
    } else if let Err(error) = read {
        format!("`{codec}` can't read back what it wrote: {error}")
    } else {
        format!(
            "`{codec}` reads it back as another value, as can happen with an untagged enum or two keys of the same text"
        )
    })
}

fn decode<C: Codec, T: DeserializeOwned>(payload: &Payload) -> Result<T, String> {
    match payload.encoded() {
        Encoded::Bytes(bytes) => {
            let outer::FromContent(value) = C::decode(bytes).map_err(|error| text(&error))?;
            Ok(value)
        }
        Encoded::None => outer::none().map_err(|error| text(&error)),
        Encoded::Not => Err("it is only shared in memory".to_owned()),
    }
}

fn text(error: &dyn Display) -> String {
    error.to_string()
}

/// Marks the type of a function's value.
type Of<T> = PhantomData<fn() -> T>;

/// `()`, and `Result<(), E>` with [`InOk`]: there is no stored part.
#[derive(Debug)]
pub struct Nothing;

impl Sharing for Nothing {
    type Return = ();
    type Value = ();

    fn new() -> Self {
        Self
    }

    fn value<'a>(&self, (): &'a ()) -> Option<&'a ()> {
        None
    }

    fn kind(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    fn encode(&self, (): &()) -> Option<Result<Payload, Unwritable>> {
        None
    }

    fn decode(&self, _: &Payload) -> Result<(), String> {
        Ok(())
    }

    fn done(&self) -> Option<()> {
        Some(())
    }
}

/// The whole value, which each caller reads by `R`.
#[derive(Debug)]
pub struct Whole<T, C, R = Fresh>(pub Of<(T, C, R)>);

/// The whole value, of which a local copy keeps a clone.
pub type Cloned<T, C> = Whole<T, C, Kept>;

/// A way to read an encoded value.
pub trait Reading<T> {
    /// Reads the value.
    fn read<C: Codec>(payload: &Payload) -> Result<T, String>;
}

/// Each caller decodes the value.
#[derive(Debug)]
pub struct Fresh;

impl<T: CachedValue> Reading<T> for Fresh {
    fn read<C: Codec>(payload: &Payload) -> Result<T, String> {
        decode::<C, T>(payload)
    }
}

/// The first caller of a local copy decodes the value, and the others clone it.
#[derive(Debug)]
pub struct Kept;

impl<T: CachedValue + Clone + Send + Sync + 'static> Reading<T> for Kept {
    fn read<C: Codec>(payload: &Payload) -> Result<T, String> {
        if let Some(value) = payload.decoded().and_then(|value| value.downcast_ref::<T>()) {
            return Ok(value.clone());
        }
        let value = decode::<C, T>(payload)?;
        payload.keep(&Arc::new(value.clone()));
        Ok(value)
    }
}

impl<T: CachedValue, C: Codec, R: Reading<T>> Sharing for Whole<T, C, R> {
    type Return = T;
    type Value = T;

    fn new() -> Self {
        Self(PhantomData)
    }

    fn value<'a>(&self, returned: &'a T) -> Option<&'a T> {
        Some(returned)
    }

    fn kind(&self) -> Option<(&'static str, &'static str)> {
        Some((C::NAME, std::any::type_name::<T>()))
    }

    fn encode(&self, returned: &T) -> Option<Result<Payload, Unwritable>> {
        Some(encode::<C, T>(returned))
    }

    fn decode(&self, payload: &Payload) -> Result<T, String> {
        R::read::<C>(payload)
    }

    fn done(&self) -> Option<T> {
        None
    }
}

/// The value behind an `Arc`, which the callers of one process share.
#[derive(Debug)]
pub struct Counted<T, C>(pub Of<(T, C)>);

impl<T: CachedValue + Send + Sync + 'static, C: Codec> Sharing for Counted<T, C> {
    type Return = Arc<T>;
    type Value = T;

    fn new() -> Self {
        Self(PhantomData)
    }

    fn value<'a>(&self, returned: &'a Arc<T>) -> Option<&'a T> {
        Some(returned)
    }

    fn kind(&self) -> Option<(&'static str, &'static str)> {
        Some((C::NAME, std::any::type_name::<T>()))
    }

    fn encode(&self, returned: &Arc<T>) -> Option<Result<Payload, Unwritable>> {
        let in_memory = |unwritable| Unwritable { shared: Some(Payload::in_memory(returned)), ..unwritable };
        let encoded = encode::<C, T>(returned).inspect(|payload| payload.keep(returned));
        Some(encoded.map_err(in_memory))
    }

    fn decode(&self, payload: &Payload) -> Result<Arc<T>, String> {
        payload.share(decode::<C, T>)
    }

    fn done(&self) -> Option<Arc<T>> {
        None
    }
}

/// The value in `Ok`, shared in one of the other ways.
#[derive(Debug)]
pub struct InOk<S, E>(pub S, pub Of<E>);

impl<S: Sharing, E> Sharing for InOk<S, E> {
    type Return = Result<S::Return, E>;
    type Value = S::Value;

    fn new() -> Self {
        Self(S::new(), PhantomData)
    }

    fn value<'a>(&self, returned: &'a Self::Return) -> Option<&'a S::Value> {
        self.0.value(returned.as_ref().ok()?)
    }

    fn kind(&self) -> Option<(&'static str, &'static str)> {
        self.0.kind()
    }

    fn encode(&self, returned: &Self::Return) -> Option<Result<Payload, Unwritable>> {
        self.0.encode(returned.as_ref().ok()?)
    }

    fn decode(&self, payload: &Payload) -> Result<Self::Return, String> {
        self.0.decode(payload).map(Ok)
    }

    fn done(&self) -> Option<Self::Return> {
        self.0.done().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::codec::Json;
    use std::collections::BTreeMap;

    fn why<C: Codec, T: CachedValue>(value: &T) -> String {
        Whole::<T, C>::new().encode(value).unwrap().unwrap_err().why
    }

    #[test]
    fn the_reason_names_what_is_lost() {
        assert!(why::<Json, _>(&vec![f64::NAN]).contains("NaN"));
        assert!(why::<Json, _>(&Some(f64::INFINITY)).contains("`codec = dspinlock::MessagePack` does"));
        assert!(why::<Json, _>(&[Some(None::<u8>)]).contains("`Some(None)`"));
        assert!(
            why::<Json, _>(&BTreeMap::from([((1, 2), 3)])).contains("`json` can't write it: key must be")
        );
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn a_codec_that_keeps_nan_is_not_blamed_for_it() {
        use crate::value::codec::MessagePack;
        let lost = why::<MessagePack, _>(&(f64::NAN, Some(None::<u8>)));
        assert!(lost.contains("`Some(None)`") && !lost.contains("NaN"), "{lost}");
        assert!(Whole::<_, MessagePack>::new().encode(&[f64::NAN]).unwrap().is_ok());
    }

    #[test]
    fn a_value_behind_an_arc_is_shared_in_memory_if_it_can_not_be_written() {
        let (sharing, value) = (Counted::<f64, Json>::new(), Arc::new(f64::NAN));
        let Unwritable { shared: Some(shared), .. } = sharing.encode(&value).unwrap().unwrap_err() else {
            panic!()
        };
        assert!(Arc::ptr_eq(&sharing.decode(&shared).unwrap(), &value));
        assert!(Whole::<f64, Json>::new().decode(&shared).is_err());
    }
}
