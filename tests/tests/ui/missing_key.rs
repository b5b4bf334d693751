//! A function with arguments needs a key.
use dspinlock::{Error, dspinlock};

#[dspinlock]
fn arguments(customer_id: u64) -> Result<u64, Error> {
    Ok(customer_id)
}

struct Service(u64);

impl Service {
    #[dspinlock(once)]
    fn receiver(&self) -> Result<(), Error> {
        assert_eq!(self.0, 1);
        Ok(())
    }
}

fn main() {}
