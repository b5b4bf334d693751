//! A unit that does not exist
use dspinlock::dspinlock;

#[dspinlock(wait = "5 secondes")]
fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
