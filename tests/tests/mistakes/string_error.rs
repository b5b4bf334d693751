//! `Result<_, String>`
use dspinlock::dspinlock;

#[dspinlock(key = id)]
fn book(id: u64) -> Result<u64, String> {
    if id > 9 { Err("full".into()) } else { Ok(id) }
}

fn main() {}

// Earlier: the trait bound `String: From<dspinlock::Error>` is not satisfied (with nine other types that a `String` is made from)
