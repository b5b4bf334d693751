//! `cached` on an alias of a `&'static str`
use dspinlock::dspinlock;

type Colour = &'static str;

#[dspinlock(cached, key = id)]
fn colour(id: u64) -> Result<Colour, dspinlock::Error> {
    Ok(if id > 9 { "red" } else { "green" })
}

fn main() {}

// Earlier: implementation of `Deserialize` is not general enough
