//! Unknown arguments, and malformed values.
use dspinlock::{Error, dspinlock};

#[dspinlock(slep = "100ms")]
fn slip() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(spinlock_sleep_thresh = 0.5)]
fn python_name() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(customer_id)]
fn no_name(customer_id: u64) -> Result<(), Error> {
    Ok(())
}

#[dspinlock("customer")]
fn literal() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key)]
fn no_value() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(wait("5s"))]
fn parentheses() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = 1 wait = "5s")]
fn no_comma() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = )]
fn half_typed() -> Result<(), Error> {
    Ok(())
}

fn main() {}
