//! The client of calls that name none.

use crate::api::client::Client;
use crate::api::testing;
use crate::error::{Error, ErrorKind, Result};
use once_cell::sync::OnceCell;
use std::sync::Once;
use std::time::Duration;

static GLOBAL: OnceCell<Global> = OnceCell::new();

struct Global {
    client: Client,
    /// Whether the program chose it, by [`init`].
    chosen: bool,
}

/// Sets the global client, which annotated functions and [`DSpinlock::new`](crate::DSpinlock::new) use.
///
/// Call it once, at the start of `main`. Without it, the first use makes a client by [`Client::from_env`].
///
/// It connects to nothing. To fail at the start if the server is not there, ping first:
///
/// ```no_run
/// # fn main() -> Result<(), dspinlock::Error> {
/// let client = dspinlock::Client::from_env()?;
/// client.ping_blocking()?; // in an async program: `client.ping().await?`
/// dspinlock::init(client)?;
/// # Ok(()) }
/// ```
///
/// At the end of `main`, [`shutdown`] gives back what is held.
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
/// `Misuse` if there is a global client already, from an earlier call or from the use of a lock.
pub fn init(client: Client) -> Result<()> {
    GLOBAL.set(Global { client, chosen: true }).map_err(|_| {
        Error::new(
            ErrorKind::Misuse,
            "there is a global client already: call `init` once, before the first lock is used",
        )
    })
}

/// Returns the client in force here: that of the innermost [`testing::scope`](crate::testing::scope), or the global
/// one.
///
/// # Errors
///
/// As [`Client::from_env`], if this call makes the global client. `Misuse` outside of all scopes in a process where one
/// was opened, unless [`init`] was called: the scope may have been lost on the way here.
///
/// ```
/// use dspinlock::{Client, current_client, testing};
///
/// testing::scope(&Client::memory(), || {
///     assert!(current_client()?.is_memory());
///     current_client()?.ping_blocking()
/// })?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
pub fn current_client() -> Result<Client> {
    with_client(Client::clone)
}

/// Passes the client in force to `look`, which must not open a scope.
///
/// # Errors
///
/// As [`current_client`].
pub(crate) fn with_client<R>(look: impl FnOnce(&Client) -> R) -> Result<R> {
    match testing::with_client(look) {
        Ok(looked) => Ok(looked),
        Err(look) => global().map(look),
    }
}

fn global() -> Result<&'static Client> {
    if testing::opened() {
        return beside_scopes();
    }
    let made = || Client::from_env().map(|client| Global { client, chosen: false });
    GLOBAL.get_or_try_init(made).map(|global| &global.client)
}

/// The global client where a test may have lost its scope.
fn beside_scopes() -> Result<&'static Client> {
    static TOLD: Once = Once::new();
    let Some(global) = GLOBAL.get().filter(|global| global.chosen) else {
        return Err(Error::new(
            ErrorKind::Misuse,
            "outside of all testing scopes, in a process where one was opened: a thread or task does not inherit the scope \
             of the code that starts it; wrap what is spawned in `testing::carry(…)` or `testing::carry_async(…)`, or call \
             `init` if the global client is meant",
        ));
    };
    TOLD.call_once(|| {
        tracing::warn!(
            target: "dspinlock",
            "a call outside of all testing scopes uses the global client; a thread or task does not inherit the scope of the \
             code that starts it, and needs `testing::carry(…)` or `testing::carry_async(…)`"
        );
    });
    Ok(&global.client)
}

/// Shuts the global client down, if there is one. See [`Client::shutdown`].
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
        Some(global) => global.client.shutdown(deadline).await,
        None => Ok(()),
    }
}

/// [`shutdown`], blocking the calling thread.
///
/// # Errors
///
/// As [`Client::shutdown`].
pub fn shutdown_blocking(deadline: Duration) -> Result<()> {
    GLOBAL.get().map_or(Ok(()), |global| global.client.shutdown_blocking(deadline))
}
