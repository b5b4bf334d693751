//! The type of an expression for a duration is checked where it is written.
use dspinlock::{Error, dspinlock};

#[dspinlock(key = limit, wait = limit * 2)]
fn number(limit: u64) -> Result<u64, Error> {
    Ok(limit)
}

fn main() {}
