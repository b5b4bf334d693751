//! On a trait method without a body
use dspinlock::dspinlock;

pub trait Reports {
    #[dspinlock]
    fn sweep(&self) -> Result<(), dspinlock::Error>;
}

fn main() {}
