//! `entry` in the `impl` of a trait
use dspinlock::dspinlock;

pub trait Reports {
    fn usage(&self, id: u64) -> Result<u64, dspinlock::Error>;
}

pub struct Server;

impl Reports for Server {
    #[dspinlock(cached(entry = usage_entry), key = id)]
    fn usage(&self, id: u64) -> Result<u64, dspinlock::Error> {
        Ok(id)
    }
}

fn main() {}

// Earlier: the same, at the whole attribute
