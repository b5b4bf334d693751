//! A key that moves what the body needs
use dspinlock::dspinlock;

pub struct Order {
    id: u64,
}

impl Order {
    fn into_id(self) -> u64 {
        self.id
    }
}

#[dspinlock(key = order.into_id())]
fn ship(order: Order) -> Result<u64, dspinlock::Error> {
    Ok(order.id)
}

fn main() {}
