//! On a closure that is passed on
use dspinlock::dspinlock;

fn main() {
    let sweeps = Some(1).map(#[dspinlock] |_| Ok::<(), dspinlock::Error>(()));
    drop(sweeps);
}

// Earlier: macro expansion ignores `::` and any tokens following
