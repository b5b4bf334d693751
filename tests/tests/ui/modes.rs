//! At most one mode, without a value.
use dspinlock::{Error, dspinlock};

#[dspinlock(once, skip)]
fn two_modes() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(skip = true)]
fn with_a_value() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(once(expire = "1h"))]
fn with_options() -> Result<(), Error> {
    Ok(())
}

fn main() {}
