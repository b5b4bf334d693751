//! A key of a type that is no key
use dspinlock::dspinlock;

#[dspinlock(key = price)]
fn quote(price: f64) -> Result<f64, dspinlock::Error> {
    Ok(price)
}

fn main() {}
