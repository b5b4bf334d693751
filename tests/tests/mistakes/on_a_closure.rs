//! On a closure
use dspinlock::dspinlock;

fn main() {
    #[dspinlock]
    let sweep = || Ok::<(), dspinlock::Error>(());
    sweep().unwrap();
}

// Earlier: `#[dspinlock]` goes on a function or a method: in an `impl` block, put it on each method to lock
