//! What users hold: clients, locks, entries, and what an inspection shows.

pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod entry;
mod get_or_compute;
pub(crate) mod global;
pub(crate) mod inspect;
pub(crate) mod lock;
#[cfg(feature = "redis")]
pub mod redis_1;
mod shutdown;
pub mod testing;
mod url;
