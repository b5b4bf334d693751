//! On a sync function that returns a future
use dspinlock::dspinlock;

#[dspinlock]
fn sweep() -> impl Future<Output = Result<(), dspinlock::Error>> {
    async { Ok(()) }
}

fn main() {}
