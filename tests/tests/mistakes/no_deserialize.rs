//! `cached` on a type without `Deserialize`
use dspinlock::dspinlock;

#[derive(serde::Serialize)]
pub struct Usage {
    pub total: u64,
}

#[dspinlock(cached, key = id)]
async fn usage(id: u64) -> Result<Usage, dspinlock::Error> {
    Ok(Usage { total: id })
}

fn main() {}
