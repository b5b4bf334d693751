//! No key, on a function with arguments
use dspinlock::dspinlock;

#[dspinlock]
fn bill(tenant: u64) -> Result<u64, dspinlock::Error> {
    Ok(tenant)
}

fn main() {}
