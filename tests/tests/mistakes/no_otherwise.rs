//! `once` on a function that returns a number, without `otherwise`
use dspinlock::dspinlock;

#[dspinlock(once, key = id, on_error = |_| 0)]
fn bill(id: u64) -> u64 {
    id
}

fn main() {}
