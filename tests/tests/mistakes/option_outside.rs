//! An option of `cached` outside of its parentheses
use dspinlock::dspinlock;

#[dspinlock(cached, local = "5s")]
async fn load() -> Result<u64, dspinlock::Error> {
    Ok(1)
}

fn main() {}
