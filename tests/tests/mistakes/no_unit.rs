//! A duration without a unit
use dspinlock::dspinlock;

#[dspinlock(lease = 10)]
fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
