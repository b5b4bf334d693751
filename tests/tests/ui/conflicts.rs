//! Arguments that exclude each other, or that are given twice.
use dspinlock::{Error, dspinlock};

#[dspinlock(key = 1, sleep = "1s", key = 2)]
fn twice() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(once, once)]
fn mode_twice() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait = "5s", tries = 3)]
fn two_budgets() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(skip, wait = "5s")]
fn skip_never_waits() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(tries = 3, once, sleep = "1s")]
fn once_never_waits() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(fail_if_key_exists, sleep = "1s")]
fn fails_at_once() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(otherwise = Ok(()))]
fn lock_turns_nobody_away() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached, otherwise = Ok(()))]
fn cached_turns_nobody_away() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(fail_if_key_exists, otherwise = Ok(()))]
fn existing_key_is_an_error() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(lease = "2h", max_block = "1h")]
fn lease_beyond_the_longest_hold() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(namespace = "", key = 1, max_block = "31m")]
fn too_long_for_python() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(namespace = "")]
fn bare_without_a_key() -> Result<(), Error> {
    Ok(())
}

fn main() {}
