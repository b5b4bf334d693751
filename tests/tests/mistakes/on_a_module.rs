//! On a module
use dspinlock::dspinlock;

#[dspinlock]
mod reports {
    pub fn sweep() {}
}

fn main() {
    reports::sweep();
}
