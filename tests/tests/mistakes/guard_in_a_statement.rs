//! A guard that is not kept
#![deny(warnings)]
use dspinlock::DSpinlock;

pub fn sweep(lock: &DSpinlock) -> Result<(), dspinlock::Error> {
    lock.acquire_blocking()?;
    Ok(())
}

fn main() {}

// Earlier: a guard that is dropped at once gives the lock back at once
