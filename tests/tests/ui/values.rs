//! Values of the wrong kind.
use dspinlock::{Error, dspinlock};

#[dspinlock(tries = 0)]
fn no_try() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(tries = "5s")]
fn tries_as_text() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(tries = -1)]
fn negative_tries() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(tries = 5_000_000_000)]
fn too_many_tries() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(namespace = "a{b}")]
fn brace() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(namespace = "a,b")]
fn comma() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(namespace = 5)]
fn number() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_lost = "ignore")]
fn on_lost() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_error = "handlers::locked")]
fn quoted_path() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(guard = "lock")]
fn quoted_name() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(guard = self)]
fn guard_of_a_taken_name() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(guard = lock.guard)]
fn guard_of_no_name() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached(entry = Self))]
fn companion_of_a_taken_name() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(crate = "dspinlock")]
fn quoted_crate() -> Result<(), Error> {
    Ok(())
}

fn main() {}
