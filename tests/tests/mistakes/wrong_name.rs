//! A slip in the name of an argument
use dspinlock::dspinlock;

#[dspinlock(slep = "100ms")]
fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
