//! A client for the length of a test, so that tests of annotated functions share neither a server nor each other's
//! locks.
//!
//! ```
//! use dspinlock::{Client, DSpinlock, testing};
//!
//! testing::scope(&Client::memory(), || {
//!     let guard = DSpinlock::new("example").acquire_blocking()?;
//!     guard.release_blocking()
//! })?;
//! # Ok::<(), dspinlock::Error>(())
//! ```

use super::Client;
use crate::scope::{Scope, Within, within};
use std::future::Future;

/// Runs `body` with `client` in place of the global one, on this thread. Threads that `body` starts are not included.
pub fn scope<R>(client: &Client, body: impl FnOnce() -> R) -> R {
    within(Scope::Client(client.clone()), body)
}

/// Runs `future` with `client` in place of the global one, whichever thread polls it. Tasks that it spawns are not
/// included: wrap them as well.
///
/// Dropping the returned future drops `future`.
///
/// ```
/// # use dspinlock::{Client, DSpinlock, testing};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let client = Client::memory();
/// testing::scope_async(&client, async {
///     let guard = DSpinlock::new("example").acquire().await?;
///     assert!(client.lock("example").try_acquire().await?.is_none());
///     guard.release().await
/// })
/// .await
/// # }).unwrap();
/// ```
pub async fn scope_async<F: Future>(client: &Client, future: F) -> F::Output {
    Within::new(Scope::Client(client.clone()), future).await
}
