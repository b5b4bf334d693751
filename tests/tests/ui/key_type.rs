//! The types of keys are checked where they are written.
use dspinlock::{Error, dspinlock};

struct Customer {
    id: u64,
}

#[dspinlock(key = ratio)]
fn float(ratio: f64) -> Result<f64, Error> {
    Ok(ratio)
}

#[dspinlock(key = (1, customer))]
async fn own_type(customer: &Customer) -> Result<u64, Error> {
    Ok(customer.id)
}

#[dspinlock(key = custmer)]
fn slip(customer: u64) -> Result<u64, Error> {
    Ok(customer)
}

#[dspinlock(key = (), client = "redis://localhost")]
fn client() -> Result<(), Error> {
    Ok(())
}

fn main() {}
