//! A word that `on_lost` does not know
use dspinlock::dspinlock;

#[dspinlock(on_lost = "abort")]
async fn sweep() -> Result<(), dspinlock::Error> {
    Ok(())
}

fn main() {}
