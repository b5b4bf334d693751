//! What users write, under lints that are stricter than this workspace: the generated code passes all of them. `cargo clippy`
//! checks it, with warnings denied.
#![warn(
    clippy::pedantic,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::module_name_repetitions,
    clippy::future_not_send,
    clippy::let_underscore_must_use,
    clippy::unwrap_used,
    clippy::panic,
    let_underscore_drop,
    missing_debug_implementations,
    unused_results,
    unused_qualifications
)]

use std::fmt::Debug;
use std::sync::Arc;

use dspinlock::{Client, Error, dspinlock};

/// Waits.
///
/// # Errors
/// Those of the lock.
#[dspinlock(key = id, wait = "1s", on_lost = "error")]
pub fn waits(id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Waits, async.
///
/// # Errors
/// Those of the lock.
#[dspinlock(key = (tenant, ids), namespace = "pedantic", guard = lock, on_lost = "cancel", on_outage = "run_unlocked")]
pub async fn waits_later(tenant: &str, ids: Vec<u64>) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    lock.ensure_held()?;
    Ok(tenant.len() + ids.len())
}

/// Skips.
#[dspinlock(key = id, skip, otherwise = 0, on_error = |_| id)]
#[must_use]
pub fn skips(id: u64) -> u64 {
    id + 1
}

/// Runs once.
///
/// # Errors
/// Those of the lock.
#[dspinlock(once, expire = "1h")]
pub async fn once() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

/// Fails.
///
/// # Errors
/// Those of the lock.
#[dspinlock(key = &parts, fail_if_key_exists)]
pub fn fails<T: Debug, const N: usize>(parts: [u8; N], what: &T) -> Result<String, Error> {
    Ok(format!("{what:?} {parts:?}"))
}

/// Computes once.
///
/// # Errors
/// Those of the lock.
#[dspinlock(key = id, cached(local, refresh_ahead = "1m", if = |values| !values.is_empty(), entry = computes_entry))]
pub fn computes(id: u64) -> Result<Vec<u64>, Error> {
    Ok(vec![id])
}

/// Computes once, async.
///
/// # Errors
/// Those of the lock.
#[dspinlock(key = (a, b), cached(codec = dspinlock::MessagePack, stale_if_error = "1h", err_expire = "1s", entry = computes_later_entry))]
pub async fn computes_later(
    a: u8,
    b: impl AsRef<str> + dspinlock::LockKey + Send + Sync,
) -> Result<Arc<String>, Error> {
    tokio::task::yield_now().await;
    Ok(Arc::new(format!("{a}{}", b.as_ref())))
}

/// A type with methods.
#[derive(Debug)]
pub struct Reports<T> {
    client: Client,
    id: T,
}

/// A trait with methods.
pub trait Sweep {
    /// Sweeps.
    ///
    /// # Errors
    /// Those of the lock.
    fn sweep(&self) -> Result<(), Error>;

    /// Sweeps, by default.
    ///
    /// # Errors
    /// Those of the lock.
    #[dspinlock(key = ())]
    fn sweep_by_default(&self) -> Result<(), Error> {
        self.sweep()
    }
}

impl<T: dspinlock::LockKey + Sync> Sweep for Reports<T> {
    #[dspinlock(client = self.client, key = self.id, skip)]
    fn sweep(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<T: dspinlock::LockKey + Send + Sync> Reports<T> {
    /// Counts.
    ///
    /// # Errors
    /// Those of the lock.
    #[dspinlock(client = self.client, key = self.id, cached(local = "5s", max_value = "1MiB", entry = count_entry))]
    pub async fn count(&self) -> Result<u64, Error> {
        tokio::task::yield_now().await;
        Ok(1)
    }

    /// Takes it.
    ///
    /// # Errors
    /// Those of the lock.
    #[dspinlock(client = &self.client, key = self.id)]
    pub async fn take(self) -> Result<T, Error> {
        tokio::task::yield_now().await;
        Ok(self.id)
    }
}
