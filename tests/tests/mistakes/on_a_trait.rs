//! On a trait
use dspinlock::dspinlock;

#[dspinlock]
pub trait Reports {
    fn sweep(&self) -> Result<(), dspinlock::Error>;
}

fn main() {}

// Earlier: `#[dspinlock]` goes on a function or a method: in an `impl` block, put it on each method to lock
