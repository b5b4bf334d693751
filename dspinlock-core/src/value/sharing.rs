//! What of a function's return value is stored and shared, by its type: the whole of it, or what is in `Ok`.
//!
//! The attribute's code picks one of these by the compiler's own method lookup, so that an alias is no obstacle.

use super::{Codec, Payload, outer};
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
    fn encode(&self, returned: &Self::Return) -> Option<Result<Payload, String>>;

    /// The return value of a caller that is handed an encoded value.
    fn decode(&self, payload: &Payload) -> Result<Self::Return, String>;

    /// The return value of a caller that is told that the work is done.
    fn done(&self) -> Option<Self::Return>;
}

fn encode<C: Codec, T: Serialize + ?Sized>(value: &T) -> Result<Payload, String> {
    let content = outer::Content::of(value);
    let bytes = C::encode(&content).map_err(|error| text(&error))?;
    Ok(if content.is_none() { Payload::none() } else { Payload::new(bytes) })
}

fn decode<C: Codec, T: DeserializeOwned>(content: Option<&[u8]>) -> Result<T, String> {
    let Some(bytes) = content else { return outer::none().map_err(|error| text(&error)) };
    let outer::Whole(value) = C::decode(bytes).map_err(|error| text(&error))?;
    Ok(value)
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

    fn encode(&self, (): &()) -> Option<Result<Payload, String>> {
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

    fn encode(&self, returned: &T) -> Option<Result<Payload, String>> {
        Some(encode::<C, T>(returned))
    }

    fn decode(&self, payload: &Payload) -> Result<T, String> {
        decode::<C, T>(payload.content())
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

    fn encode(&self, returned: &Arc<T>) -> Option<Result<Payload, String>> {
        Some(encode::<C, T>(returned).inspect(|payload| payload.keep(returned)))
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

    fn encode(&self, returned: &Self::Return) -> Option<Result<Payload, String>> {
        self.0.encode(returned.as_ref().ok()?)
    }

    fn decode(&self, payload: &Payload) -> Result<Self::Return, String> {
        self.0.decode(payload).map(Ok)
    }

    fn done(&self) -> Option<Self::Return> {
        self.0.done().map(Ok)
    }
}
