//! `codec = MessagePack` without its path
use dspinlock::dspinlock;

#[dspinlock(cached(codec = MessagePack), key = id)]
fn usage(id: u64) -> Result<u64, dspinlock::Error> {
    Ok(id)
}

fn main() {}
