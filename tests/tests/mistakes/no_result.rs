//! A return type without room for an error
use dspinlock::dspinlock;

#[dspinlock(key = id)]
fn count(id: u64) -> u64 {
    id
}

fn main() {}
