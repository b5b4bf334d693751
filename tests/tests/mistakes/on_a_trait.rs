//! On a trait
use dspinlock::dspinlock;

#[dspinlock]
pub trait Reports {
    fn sweep(&self) -> Result<(), dspinlock::Error>;
}

fn main() {}
