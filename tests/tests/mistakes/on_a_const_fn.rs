//! On a `const fn`
use dspinlock::dspinlock;

#[dspinlock]
pub const fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
