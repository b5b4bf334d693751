//! `cached` on a type without `Serialize`
use dspinlock::dspinlock;

#[derive(serde::Deserialize)]
pub struct Usage {
    pub total: u64,
}

#[dspinlock(cached, key = id)]
fn usage(id: u64) -> Result<Usage, dspinlock::Error> {
    Ok(Usage { total: id })
}

fn main() {}
