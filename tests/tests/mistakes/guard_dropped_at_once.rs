//! A guard that is dropped at once
#![deny(warnings, let_underscore_drop)]
use dspinlock::DSpinlock;

pub async fn sweep(lock: &DSpinlock) -> Result<(), dspinlock::Error> {
    let _ = lock.acquire().await?;
    Ok(())
}

fn main() {}

// Earlier: silent, as it is without `let_underscore_drop`
