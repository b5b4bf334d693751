//! Clients on connections that you bring, of version 1 of the `redis` crate.
//!
//! The types of that crate appear only here. A later major version gets a module of its own.

use crate::api::client::Client;
use crate::api::server::unusable;
use crate::error::Result;
use crate::store::Wakeups;
use crate::store::redis::{AsyncLink, BlockingLink, Dialer, Limits, Link, Own, Peer, provide, store};
use crate::worker::Worker;
use redis::ConnectionAddr;
use std::fmt::Display;
use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

/// The limits of connections that somebody else configured.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(1),
    response_timeout: Duration::from_secs(1),
    pool_size: 16,
};

/// Where the address of a client came from.
const ORIGIN: &str = " (from `redis_1::from_client`)";

/// Makes a client that opens its connections by `client`, with the address, credentials and settings of that, and with
/// the limits of [`Config::new`](crate::Config::new).
///
/// ```no_run
/// let theirs = redis::Client::open("redis://redis.internal/2")?;
/// let locks = dspinlock::redis_1::from_client(theirs)?;
/// locks.lock("example").acquire_blocking()?.release_blocking()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Over TLS, the client's own certificates are used, and its own features of the `redis` crate. That crate panics in a process
/// in which `rustls` has no cryptography, or two: with the feature `tls-ring` or `tls-aws-lc` of this library, one is
/// installed for the process here, unless the program did so.
///
/// # Errors
///
/// `Backend` if the system refuses a thread, `Config` for an address that can't be used.
pub fn from_client(client: redis::Client) -> Result<Client> {
    let worker = Worker::get()?;
    if matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. }) {
        provide();
    }
    let info = client.get_connection_info();
    let place = format!("redis at {}/{}", info.addr(), info.redis_settings().db());
    let secret = info.redis_settings().password().map(ToOwned::to_owned);
    let wakeups = Wakeups::default();
    let own = Own::new(Dialer::new(client).map_err(|_| unusable())?, LIMITS, true, &worker, wakeups.clone());
    let peer = Peer { name: &place, origin: ORIGIN, secret: secret.as_deref() };
    let store = store(own, worker.clone(), LIMITS, peer, wakeups);
    Ok(Client::on(store, worker))
}

/// Makes a client that sends everything over `connection`: a `MultiplexedConnection`, a `ConnectionManager`, or
/// anything that is cloned as cheaply. Blocking callers wait while the library's thread uses it.
///
/// Locks and values share the connection. Large values go in pieces of 256 KiB, two values at a time, and a lock waits
/// behind them for a moment. Use [`from_client`] if that is too long: it has separate connections for values.
///
/// The runtime that drives the connection must live, and run, as long as the locks do. There are no wake-ups: waiters
/// poll.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let theirs = redis::Client::open("redis://redis.internal/2")?.get_multiplexed_async_connection().await?;
/// let locks = dspinlock::redis_1::from_async(theirs)?;
/// locks.lock("example").acquire().await?.release().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// `Backend` if the system refuses a thread.
pub fn from_async<C>(connection: C) -> Result<Client>
where
    C: redis::aio::ConnectionLike + Clone + Send + Sync + 'static,
{
    on(AsyncLink { connection, limits: LIMITS }, "redis on the caller's connection")
}

/// Makes a client that takes each connection from a pool: `get` returns one, and dropping it puts it back. Async
/// callers use it on a helper thread of the library's.
///
/// Set read and write timeouts on the connections: nothing else ends a blocking call that gets no reply. Large values
/// take a connection for each piece of 256 KiB, four at a time. There are no wake-ups: waiters poll.
///
/// ```no_run
/// # fn example(pool: impl Fn() -> Result<Box<redis::Connection>, redis::RedisError> + Send + Sync + 'static)
/// # -> Result<(), dspinlock::Error> {
/// // With r2d2: `from_pool(move || pool.get())`.
/// let client = dspinlock::redis_1::from_pool(pool)?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// `Backend` if the system refuses a thread.
pub fn from_pool<F, G, E>(get: F) -> Result<Client>
where
    F: Fn() -> Result<G, E> + Send + Sync + 'static,
    G: DerefMut<Target: redis::ConnectionLike + Sized>,
    E: Display,
{
    on(BlockingLink { get: Arc::new(get), limits: LIMITS }, "redis on the caller's pool")
}

/// A client on connections that push no changes.
fn on(link: impl Link, name: &str) -> Result<Client> {
    let worker = Worker::get()?;
    Ok(Client::on(store(link, worker.clone(), LIMITS, Peer::named(name), Wakeups::default()), worker))
}
