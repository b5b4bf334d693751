//! On a closure
use dspinlock::dspinlock;

fn main() {
    #[dspinlock]
    let sweep = || Ok::<(), dspinlock::Error>(());
    sweep().unwrap();
}
