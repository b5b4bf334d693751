//! What the library will have and does not have yet.
use dspinlock::{Error, dspinlock};

#[dspinlock(on_lost = "cancel")]
async fn cancel() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(on_outage = "run_unlocked")]
fn outage() -> Result<(), Error> {
    Ok(())
}

fn main() {}
