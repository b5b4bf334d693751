//! `cached` on a type with a `&'static str` in it
use dspinlock::dspinlock;

#[dspinlock(cached, key = id)]
async fn colours(id: u64) -> Result<Vec<(u64, &'static str)>, dspinlock::Error> {
    Ok(vec![(id, "red")])
}

fn main() {}

// Earlier: implementation of `Deserialize` is not general enough (twice)
