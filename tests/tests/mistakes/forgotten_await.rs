//! A forgotten `.await`
use dspinlock::dspinlock;

#[dspinlock(key = id)]
async fn load(id: u64) -> Result<u64, dspinlock::Error> {
    Ok(id)
}

async fn total() -> Result<u64, dspinlock::Error> {
    Ok(load(1)? + load(2).await?)
}

fn main() {
    drop(total());
}
