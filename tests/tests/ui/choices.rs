//! Options whose values are words, and one that blocking functions do not have.
use dspinlock::{Error, dspinlock};

#[dspinlock(on_lost = "stop")]
async fn another_word() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_lost = cancel)]
async fn not_quoted() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_lost = "cancel")]
fn blocking() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(cached, on_lost = "cancel")]
fn blocking_cached() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_outage = "skip")]
fn outage() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_outage = true)]
fn outage_not_a_word() -> Result<(), Error> {
    Ok(())
}

fn main() {}
