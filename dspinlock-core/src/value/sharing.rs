//! What of a function's return value is stored and shared, by its type: the whole of it, or what is in `Ok`.
//!
//! The attribute's code picks one of these by the compiler's own method lookup, so that an alias is no obstacle.

use crate::format::envelope::{Encoded, Payload};
use crate::value::codec::Codec;
use crate::value::{outer, print};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;

/// What can be stored: a value that can be written, and read back into one that borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`cached` stores what the function computes, and `{Self}` cannot be stored",
    label = "cannot be written and read back",
    note = "derive or implement `serde::Serialize` and `serde::Deserialize` for `{Self}`, or ask for them as bounds",
    note = "a borrowed value, as a `&str`, can be written and not read back: return an owned one, as a `String`"
)]
pub trait CachedValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CachedValue for T {}

/// A way to share return values.
pub trait Sharing: Sized {
    /// What the function returns.
    type Return;

    /// The stored part of that.
    type Value;

    /// This way.
    fn new() -> Self;

    /// The stored part of a success.
    fn value<'a>(&self, returned: &'a Self::Return) -> Option<&'a Self::Value>;

    /// The codec's name and the name of the stored type; `None` where the fact that the work is done is all.
    fn kind(&self) -> Option<(&'static str, &'static str)>;

    /// The stored part of a success, encoded; `None` where there is nothing to encode.
    fn encode(&self, returned: &Self::Return) -> Option<Result<Payload, Unwritable>>;

    /// The return value of a caller that is handed an encoded value.
    fn decode(&self, payload: &Payload) -> Result<Self::Return, String>;

    /// The return value of a caller that is told that the work is done.
    fn done(&self) -> Option<Self::Return>;
}

/// A value that can't be stored, since it can't be written, or would not read back as it was.
#[derive(Debug)]
pub struct Unwritable {
    pub(crate) why: String,
    /// The value itself, where the callers of this process can share it.
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

fn brings_back_nan<C: Codec>() -> bool {
    C::encode(&f64::NAN).is_ok_and(|bytes| C::decode(&bytes).is_ok_and(f64::is_nan))
}

/// Reads what was written, and compares what serde sees of it.
fn reads_back<C: Codec, T: CachedValue>(value: &T, payload: &Payload) -> Result<(), String> {
    let seen = print::look(value).map_err(|error| text(&error))?;
    let read = decode::<C, T>(payload);
    let print = read.as_ref().map(|read| print::look(read).map(|seen| seen.print));
    if print == Ok(Ok(seen.print)) {
        return Ok(());
    }
    let codec = C::NAME;
    Err(if seen.not_finite && !brings_back_nan::<C>() {
        format!(
            "there is a NaN or an infinity in it, which `{codec}` does not bring back; `codec = dspinlock::MessagePack` does"
        )
    } else if seen.some_nothing {
        format!(
            "there is a `Some(None)` or a `Some(())` inside of it, which `{codec}` reads back as `None`; an enum of your own would not be"
        )
    } else if let Err(error) = read {
        format!("`{codec}` can't read back what it wrote: {error}")
    } else {
        format!(
            "`{codec}` reads it back as another value, as it may be with an untagged enum or two keys of one text"
        )
    })
}

fn decode<C: Codec, T: DeserializeOwned>(payload: &Payload) -> Result<T, String> {
    match payload.encoded() {
        Encoded::Bytes(bytes) => {
            let outer::Whole(value) = C::decode(bytes).map_err(|error| text(&error))?;
            Ok(value)
        }
        Encoded::None => outer::none().map_err(|error| text(&error)),
        Encoded::Not => Err("it is only shared in memory".to_owned()),
    }
}

fn text(error: &dyn Display) -> String {
    error.to_string()
}

/// Part of the type of a function's value, without one.
type Of<T> = PhantomData<fn() -> T>;

/// `()`, and `Result<(), E>` by [`InOk`]: there is no value.
#[derive(Debug)]
pub struct Nothing;

impl Sharing for Nothing {
    type Return = ();
    type Value = ();

    fn new() -> Self {
        Self
    }

    fn value<'a>(&self, returned: &'a ()) -> Option<&'a ()> {
        Some(returned)
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

/// Any value, as a whole.
#[derive(Debug)]
pub struct Whole<T, C>(pub Of<(T, C)>);

impl<T: CachedValue, C: Codec> Sharing for Whole<T, C> {
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
        decode::<C, T>(payload)
    }

    fn done(&self) -> Option<T> {
        None
    }
}

/// A value behind an `Arc`: the callers of one process share it.
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

/// What is in `Ok`, in one of the other ways.
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
    fn the_reason_says_what_is_lost() {
        assert!(why::<Json, _>(&vec![f64::NAN]).contains("NaN"));
        assert!(why::<Json, _>(&Some(f64::INFINITY)).contains("`codec = dspinlock::MessagePack` does"));
        assert!(why::<Json, _>(&[Some(None::<u8>)]).contains("`Some(None)`"));
        assert!(
            why::<Json, _>(&BTreeMap::from([((1, 2), 3)])).contains("`json` can't write it: key must be")
        );
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn a_codec_that_has_nan_is_not_said_to_lose_it() {
        use crate::value::codec::MessagePack;
        let lost = why::<MessagePack, _>(&(f64::NAN, Some(None::<u8>)));
        assert!(lost.contains("`Some(None)`") && !lost.contains("NaN"), "{lost}");
        assert!(Whole::<_, MessagePack>::new().encode(&[f64::NAN]).unwrap().is_ok());
    }

    #[test]
    fn what_an_arc_has_is_shared_in_memory_where_it_can_not_be_written() {
        let (way, value) = (Counted::<f64, Json>::new(), Arc::new(f64::NAN));
        let Unwritable { shared: Some(shared), .. } = way.encode(&value).unwrap().unwrap_err() else {
            panic!()
        };
        assert!(Arc::ptr_eq(&way.decode(&shared).unwrap(), &value));
        assert!(Whole::<f64, Json>::new().decode(&shared).is_err());
    }
}
