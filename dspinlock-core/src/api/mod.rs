//! What users hold: clients, locks, entries, and what an inspection shows.

pub(crate) mod acquire;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod entry;
mod get_or_compute;
pub(crate) mod global;
pub(crate) mod inspect;
pub(crate) mod lock;
#[cfg(feature = "redis")]
pub mod redis_1;
/// Without the feature `redis` there is no server to connect to.
#[cfg(not(feature = "redis"))]
mod server {
    use crate::api::config::{Address, Config};
    use crate::error::{Error, ErrorKind, Result};
    use crate::store::Store;
    use crate::worker::Worker;

    pub(super) fn store(config: &Config, _: &Worker) -> Result<Store> {
        if config.address == Address::Memory {
            return Ok(Store::memory());
        }
        let message = "this build has no Redis: turn on the feature `redis`, or use `memory://`";
        Err(Error::new(ErrorKind::Config, message))
    }
}
#[cfg(feature = "redis")]
mod server;
mod shutdown;
pub mod testing;
#[cfg(feature = "redis")]
pub mod tools;
