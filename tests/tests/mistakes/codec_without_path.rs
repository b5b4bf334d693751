//! `codec = MessagePack` without its path
use dspinlock::dspinlock;

#[dspinlock(cached(codec = MessagePack), key = id)]
fn usage(id: u64) -> Result<u64, dspinlock::Error> {
    Ok(id)
}

fn main() {}

// Earlier: cannot find type `MessagePack` in this scope (help: you might be missing a type parameter)
