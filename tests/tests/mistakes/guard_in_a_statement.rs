//! A guard that is not kept
#![deny(warnings)]
use dspinlock::DSpinlock;

pub fn sweep(lock: &DSpinlock) -> Result<(), dspinlock::Error> {
    lock.acquire_blocking()?;
    Ok(())
}

fn main() {}
