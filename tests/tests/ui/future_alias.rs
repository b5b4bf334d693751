//! A future behind a type alias is recognised by its type.
use std::future::{Future, Ready, ready};
use std::pin::Pin;

use dspinlock::{Error, dspinlock};

type Later = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

type Maybe<T> = Option<T>;

#[dspinlock(on_error = |error| Box::pin(ready(Err(error))))]
fn alias() -> Later {
    Box::pin(async { Ok(()) })
}

#[dspinlock(on_error = |_| ready(1))]
fn named() -> Ready<u32> {
    ready(2)
}

#[dspinlock(key = (), on_error = |_| panic!())]
fn parameter<F: Future>(future: F) -> F {
    future
}

#[dspinlock]
fn in_a_result() -> Result<Later, Error> {
    Ok(Box::pin(async { Ok(()) }))
}

#[dspinlock(on_error = |_| None)]
fn in_an_option() -> Maybe<Later> {
    None
}

fn main() {}
