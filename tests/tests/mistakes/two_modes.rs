//! Two modes
use dspinlock::dspinlock;

#[dspinlock(once, skip, key = id)]
fn bill(id: u64) -> Result<(), dspinlock::Error> {
    drop(id);
    Ok(())
}

fn main() {}
