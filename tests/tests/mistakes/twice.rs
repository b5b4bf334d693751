//! Twice
use dspinlock::dspinlock;

#[dspinlock]
#[dspinlock(once)]
fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
