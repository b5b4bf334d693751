//! The type of a duration expression is checked in its place.
use dspinlock::{Error, dspinlock};

#[dspinlock(key = limit, wait = limit * 2)]
fn number(limit: u64) -> Result<u64, Error> {
    Ok(limit)
}

fn main() {}
