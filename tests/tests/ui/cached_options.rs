//! Options of `cached` that do not exist, have no effect, or are in the wrong place.
use dspinlock::{Error, dspinlock};

#[dspinlock(cached(refresh = "30s"))]
fn unknown() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(expire = "10m"))]
fn argument_inside() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached, stale_if_error = "1h")]
fn option_outside() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(schema = "1", schema = "2"))]
fn twice() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(refresh_ahead, schema("usage-2"), if))]
fn no_values() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(refresh_ahead = 30, stale_if_error = "0s", err_expire = "1 parsec"))]
fn durations() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(max_value = 1024))]
fn no_unit() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(max_value = "1Mb"))]
fn bits() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(max_value = "2GiB"))]
fn too_large() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(schema = "", codec = "json", entry = "usage_entry", if = "value.is_some()"))]
fn quotes() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(refresh_ahead = "10m"), expire = "10m")]
fn always_due() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(refresh_ahead = "2h"))]
fn always_due_by_default() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(stale_if_error = "1h", err_expire = "1s"), on_error = |_| None)]
fn never_fails() -> Option<u32> {
    None
}

#[dspinlock(cached(err_expire = "1s", if = |_| true), on_error = |error| panic!("{error}"))]
fn returns_nothing() {}

#[dspinlock(cached(stale_if_error = "1h", refresh_ahead = "1s", max_value = "1MiB", codec = dspinlock::Json))]
fn has_no_value() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached(entry = own_name))]
fn own_name() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(once(expire = "1h"))]
fn options_of_another_mode() -> Result<(), Error> {
    Ok(())
}

fn main() {}
