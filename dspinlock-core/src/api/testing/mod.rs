//! Tests of your code, without a server.
//!
//! [`scope`] runs code with a client of its own in place of the global one, so that tests of annotated functions need no server
//! and do not meet. A [`Sandbox`] makes such clients: its clock can be moved, it fails on demand, and it tells how often a body
//! ran.
//!
//! ```
//! use dspinlock::testing::{Sandbox, scope};
//! use dspinlock::dspinlock;
//!
//! #[dspinlock(key = order, once)]
//! fn ship(order: u64) -> Result<(), dspinlock::Error> {
//!     Ok(())
//! }
//!
//! let sandbox = Sandbox::new();
//! scope(sandbox.client(), || -> Result<(), dspinlock::Error> {
//!     ship(17)?;
//!     ship(17)
//! })?;
//! sandbox.assert_ran_once("ship");
//! # Ok::<(), dspinlock::Error>(())
//! ```
//!
//! # Threads and tasks
//!
//! A scope applies to its thread, or to its future. Threads and tasks that start inside do not inherit it, since Rust
//! has no hook for that. [`carry`] and [`carry_async`] take the scope along. Outside of a scope they do nothing, so
//! they can stay in the code under test:
//!
//! ```
//! use dspinlock::{Client, DSpinlock, testing};
//!
//! let client = Client::memory();
//! testing::scope(&client, || {
//!     let there = std::thread::spawn(testing::carry(|| DSpinlock::new("example").acquire_blocking()));
//!     let _held = there.join().unwrap()?;
//!     assert!(client.lock("example").try_acquire_blocking()?.is_none());
//!     Ok(())
//! })
//! # .map_err(|error: dspinlock::Error| error.to_string()).unwrap();
//! ```
//!
//! A thread or task without the scope never reaches a server silently. From the first scope or sandbox on, a call outside of all
//! scopes that names no client is refused with the kind [`Misuse`](crate::ErrorKind::Misuse), instead of making a
//! client from the environment. After an [`init`](crate::init) it uses that client, and the first such call is logged
//! as a warning.

mod history;
mod opened;
mod sandbox;

pub(crate) use opened::opened;
pub use sandbox::{Fault, Sandbox};

use crate::api::client::Client;
use crate::engine::scope::{Scope, Stack, Within, within};
use std::cell::RefCell;
use std::future::Future;
use std::thread::LocalKey;

/// Calls that name no client use this one.
impl Scope for Client {
    fn stack() -> &'static LocalKey<Stack<Self>> {
        thread_local! {
            static CLIENTS: Stack<Client> = const { RefCell::new(Vec::new()) };
        }
        &CLIENTS
    }
}

/// The client of the innermost scope.
fn client() -> Option<Client> {
    with_client(Client::clone).ok()
}

/// Passes the client of the innermost scope to `look`, or returns `look` where there is none.
pub(crate) fn with_client<R, F: FnOnce(&Client) -> R>(look: F) -> Result<R, F> {
    Client::stack().with_borrow(|clients| match clients.last() {
        Some(client) => Ok(look(client)),
        None => Err(look),
    })
}

fn scope_of(client: &Client) -> Client {
    opened::note();
    client.clone()
}

/// Runs `body` on this thread with `client` in place of the global client.
///
/// Threads that `body` starts do not inherit the scope: see [`carry`].
///
/// ```
/// use dspinlock::{Client, current_client, dspinlock, testing};
///
/// #[dspinlock(key = n, once)]
/// fn double(n: u64) -> Result<Option<u64>, dspinlock::Error> {
///     Ok(Some(2 * n))
/// }
///
/// testing::scope(&Client::memory(), || {
///     assert!(current_client()?.is_memory());
///     assert_eq!(double(4)?, Some(8));
///     assert_eq!(double(4)?, None);
///     Ok::<(), dspinlock::Error>(())
/// })?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
pub fn scope<R>(client: &Client, body: impl FnOnce() -> R) -> R {
    within(scope_of(client), body)
}

/// Runs `future` with `client` in place of the global client, on whichever thread polls it.
///
/// Tasks that it spawns do not inherit the scope: see [`carry_async`]. Dropping the returned future drops `future`
/// within the scope.
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
pub fn scope_async<F: Future>(client: &Client, future: F) -> impl Future<Output = F::Output> + use<F> {
    Within::new(scope_of(client), future)
}

/// Takes the current scope along to wherever `body` runs, for `thread::spawn` and `spawn_blocking`. Outside of all
/// scopes it changes nothing.
///
/// ```
/// # use dspinlock::{Client, testing};
/// let of_the_test = || dspinlock::current_client().map(|client| client.is_memory());
/// testing::scope(&Client::memory(), || {
///     assert!(std::thread::spawn(of_the_test).join().unwrap().is_err(), "lost, and told so");
///     assert!(std::thread::spawn(testing::carry(of_the_test)).join().unwrap().unwrap());
/// });
/// ```
pub fn carry<R>(body: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let client = client();
    move || match client {
        Some(client) => within(client, body),
        None => body(),
    }
}

/// Takes the current scope along to whatever polls `future`, for `tokio::spawn`. Outside of all scopes it changes
/// nothing.
///
/// Dropping the returned future drops `future` within the scope.
///
/// ```
/// # use dspinlock::{Client, DSpinlock, testing};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// testing::scope_async(&Client::memory(), async {
///     let task = tokio::spawn(testing::carry_async(async {
///         DSpinlock::new("example").acquire().await?.release().await
///     }));
///     task.await.unwrap()
/// })
/// .await
/// # }).unwrap();
/// ```
pub fn carry_async<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    Within::maybe(client(), future)
}
