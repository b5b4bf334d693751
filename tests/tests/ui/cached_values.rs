//! Values of `cached` must serialize and deserialize. The error is at the return type.
use std::sync::Arc;

use dspinlock::{Error, dspinlock};

struct Report;

type Alias = Result<Report, Error>;

#[dspinlock(cached)]
fn not_stored() -> Result<Report, Error> {
    Ok(Report)
}

#[dspinlock(cached)]
async fn not_stored_later() -> Alias {
    Ok(Report)
}

#[dspinlock(cached, on_error = |_| None)]
fn in_an_option() -> Option<Vec<Report>> {
    None
}

#[dspinlock(cached, on_error = |error| panic!("{error}"))]
async fn counted() -> Arc<Report> {
    Arc::new(Report)
}

#[dspinlock(cached(entry = borrowed_entry), key = text)]
fn borrowed(text: &str) -> Result<&str, Error> {
    Ok(text)
}

#[dspinlock(cached, key = ())]
fn without_bounds<T: Default>() -> Result<T, Error> {
    Ok(T::default())
}

#[dspinlock(cached)]
fn no_room_for_an_error() -> u32 {
    1
}

#[dspinlock(cached)]
fn opaque() -> Result<impl Iterator<Item = u8>, Error> {
    Ok(0..3)
}

#[dspinlock(cached(entry = opaque_error_entry), on_error = |_| Err(""))]
fn opaque_error() -> Result<u32, impl ToString> {
    Err("no")
}

#[dspinlock(cached(codec = Report))]
fn no_codec() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(if = |value| value > 5))]
fn not_a_bool_over_a_reference() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
