//! A lock in code that is not acquired
#![deny(warnings)]
use dspinlock::DSpinlock;

pub async fn sweep(lock: &DSpinlock) -> Result<(), dspinlock::Error> {
    lock.acquire();
    Ok(())
}

fn main() {}
