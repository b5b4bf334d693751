//! A key that names no argument
use dspinlock::dspinlock;

#[dspinlock(key = tennant)]
fn bill(tenant: u64) -> Result<u64, dspinlock::Error> {
    Ok(tenant)
}

fn main() {}
