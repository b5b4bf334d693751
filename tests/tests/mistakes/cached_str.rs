//! `cached` on a `&'static str`
use dspinlock::dspinlock;

#[dspinlock(cached, key = id)]
fn colour(id: u64) -> Result<&'static str, dspinlock::Error> {
    Ok(if id > 9 { "red" } else { "green" })
}

fn main() {}
