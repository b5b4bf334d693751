//! `cached` on a wrapper from another crate, as `axum::Json<V>`
use dspinlock::dspinlock;
use dspinlock_tests::Json;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Usage {
    pub total: u64,
}

#[dspinlock(cached, key = id)]
async fn usage(id: u64) -> Result<Json<Usage>, dspinlock::Error> {
    Ok(Json(Usage { total: id }))
}

fn main() {}

// Earlier: derive or implement `serde::Serialize` and `serde::Deserialize` for `Json<Usage>`
