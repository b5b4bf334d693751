//! The key without its name
use dspinlock::dspinlock;

#[dspinlock(n)]
fn bill(n: u64) -> Result<u64, dspinlock::Error> {
    Ok(n)
}

fn main() {}

// Earlier: two errors: this one, and that `key` is missing
