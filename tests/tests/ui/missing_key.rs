//! A function with arguments says which of them tell its calls apart.
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
