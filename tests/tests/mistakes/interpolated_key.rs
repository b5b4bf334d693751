//! Text in braces as a key
use dspinlock::dspinlock;

#[dspinlock(key = "user:{id}")]
fn bill(id: u64) -> Result<u64, dspinlock::Error> {
    Ok(id)
}

fn main() {}
