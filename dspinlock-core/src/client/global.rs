//! The client that calls use which name none.

use super::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::scope;
use once_cell::sync::OnceCell;
use std::time::Duration;

static GLOBAL: OnceCell<Client> = OnceCell::new();

/// Makes `client` the one that annotated functions and [`DSpinlock::new`](crate::DSpinlock::new) use. Call it once, at
/// the start of `main`; without it the first use makes one by [`Client::from_env`].
///
/// ```
/// use dspinlock::{Client, DSpinlock, ErrorKind};
///
/// dspinlock::init(Client::memory().with_prefix("staging"))?;
/// assert_eq!(DSpinlock::new("example").acquire_blocking()?.record_key().split(',').next(), Some("staging"));
/// assert_eq!(dspinlock::init(Client::memory()).unwrap_err().kind(), ErrorKind::Misuse);
/// # Ok::<(), dspinlock::Error>(())
/// ```
///
/// # Errors
///
/// `Misuse` if there is a global client already, by an earlier call or because a lock was used before.
pub fn init(client: Client) -> Result<()> {
    GLOBAL.set(client).map_err(|_| {
        Error::new(
            ErrorKind::Misuse,
            "the global client is there already: call `init` once, before the first lock is used",
        )
    })
}

/// The client in force here: that of the innermost [`testing::scope`](crate::testing::scope), or the global one.
///
/// # Errors
///
/// As [`Client::from_env`], if the global client is made by this call.
pub fn client() -> Result<Client> {
    match scope::client() {
        Some(client) => Ok(client),
        None => GLOBAL.get_or_try_init(Client::from_env).cloned(),
    }
}

/// [`Client::shutdown`] of the global client, if there is one: gives back all that it holds, and takes nothing any more.
///
/// # Errors
///
/// As [`Client::shutdown`].
///
/// ```
/// # use dspinlock::Client;
/// # use std::time::Duration;
/// dspinlock::init(Client::memory())?;
/// // At the end of `main`, or where the signal to end has come:
/// dspinlock::shutdown_blocking(Duration::from_secs(5))?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
pub async fn shutdown(deadline: Duration) -> Result<()> {
    match GLOBAL.get() {
        Some(client) => client.shutdown(deadline).await,
        None => Ok(()),
    }
}

/// [`shutdown`], blocking the calling thread.
///
/// # Errors
///
/// As [`Client::shutdown`].
pub fn shutdown_blocking(deadline: Duration) -> Result<()> {
    GLOBAL.get().map_or(Ok(()), |client| client.shutdown_blocking(deadline))
}
