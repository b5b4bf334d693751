//! On a struct
use dspinlock::dspinlock;

#[dspinlock]
pub struct Reports {
    pub id: u64,
}

fn main() {}
