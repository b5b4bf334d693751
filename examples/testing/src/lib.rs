//! A small shop, as a service of several instances. `tests/shop.rs` tests it without a server.

use dspinlock::testing::carry_async;
use dspinlock::{Error, LockHandle, dspinlock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// The world outside of the service: what its functions do to it can be counted.
#[derive(Debug, Default)]
pub struct Outside {
    /// How many parcels were sent.
    pub parcels: AtomicU32,
    /// How many reports were mailed.
    pub reports: AtomicU32,
    /// How often the supplier was asked for its prices.
    pub requests: AtomicU32,
    /// Notified when an import has begun.
    pub import_began: Notify,
    /// Notified when the supplier has sent everything.
    pub import_ends: Notify,
    /// How many imports have come to their end.
    pub imports: AtomicU32,
}

/// Ships an order, however often the webhook that asks for it is delivered. `None` is a repetition.
///
/// # Errors
///
/// Those of the lock.
#[dspinlock(key = order, once, expire = "30d")]
pub async fn ship(outside: &Outside, order: u64) -> Result<Option<u32>, Error> {
    Ok(Some(outside.parcels.fetch_add(1, Ordering::SeqCst) + 1))
}

/// Mails the report of a tenant once a day. Each instance calls it every hour.
///
/// # Errors
///
/// Those of the lock.
#[dspinlock(key = tenant, once, expire = "20h")]
pub async fn daily_report(outside: &Outside, tenant: &str) -> Result<(), Error> {
    outside.reports.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Returns the supplier's price of an article, which all instances share for ten minutes. In an outage of the lock's server each
/// caller asks the supplier itself.
///
/// # Errors
///
/// Those of the lock.
#[dspinlock(key = article, expire = "10m", cached, on_outage = "run_unlocked")]
pub async fn price(outside: &Outside, article: &str) -> Result<u32, Error> {
    Ok(100 + outside.requests.fetch_add(1, Ordering::SeqCst))
}

/// Imports the supplier's catalogue, in one instance at a time. An import whose lock is lost stops.
///
/// # Errors
///
/// `Lost`, and those of the lock.
#[dspinlock(key = (), skip, on_lost = "cancel", guard = lock)]
pub async fn import(outside: &Outside) -> Result<Option<u64>, Error> {
    outside.import_began.notify_one();
    outside.import_ends.notified().await;
    outside.imports.fetch_add(1, Ordering::SeqCst);
    Ok(Some(token(&lock)))
}

/// The token for the catalogue, which refuses the late writes of earlier imports.
fn token(lock: &LockHandle) -> u64 {
    lock.fencing_token()
}

/// Ships orders, each in a task of its own. `carry_async` takes the scope of a test along, and does nothing in production.
pub async fn ship_all(outside: &Arc<Outside>, orders: Vec<u64>) -> usize {
    let mut tasks = Vec::new();
    for order in orders {
        let outside = Arc::clone(outside);
        tasks.push(tokio::spawn(carry_async(async move { ship(&outside, order).await })));
    }
    let mut shipped = 0;
    for task in tasks {
        shipped += usize::from(matches!(task.await, Ok(Ok(Some(_)))));
    }
    shipped
}
