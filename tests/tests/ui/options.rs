//! Values that an argument or an option refuses, where no other file has them.
use dspinlock::{Client, Error, dspinlock};

#[dspinlock(key = (), client)]
fn client_alone(_client: &Client) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = (), client(locks))]
fn client_in_parentheses(_locks: &Client) -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached(refresh_ahead = "0s", err_expire = "0s", local = "0s", max_value = "0B"))]
fn zero() -> Result<u32, Error> {
    Ok(1)
}

#[dspinlock(cached(local, schema = "usage-2"))]
fn has_no_value() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached, refresh_ahead = "30s")]
fn outside_of_cached() -> Result<u32, Error> {
    Ok(1)
}

fn main() {}
