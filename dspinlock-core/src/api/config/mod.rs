//! Where the server is, and how patient to be with it.

mod address;
mod env;
mod file;
mod origin;
mod settings;
mod tls;
mod url;

use std::fmt;
use std::time::Duration;

pub(crate) use address::{Address, Sentinel};
pub(crate) use origin::Origin;
#[cfg(feature = "redis")]
pub(crate) use tls::Pem;
pub use tls::Tls;

/// The address of a server, and the limits of the connections to it. The defaults are py-dspinlock's: `127.0.0.1:6379`,
/// database 0.
///
/// Each setting has a setter, `with_…`, and a getter, except that nothing shows a password. They also come from a URL, from the
/// environment, and from files, by serde's `Deserialize`.
///
/// ```
/// use dspinlock::{Client, Config};
/// use std::time::Duration;
///
/// let config = Config::new()
///     .with_host("redis.internal")
///     .with_db(2)
///     .with_password("secret")
///     .with_connect_timeout(Duration::from_secs(2));
/// assert_eq!((config.host(), config.db()), (Some("redis.internal"), 2));
/// assert!(!format!("{config:?}").contains("secret"));
/// # #[cfg(feature = "redis")]
/// let client = Client::from_config(&config)?; // connects when it is first used
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Config {
    pub(super) address: Address,
    pub(super) origin: Origin,
    /// Whether the servers speak TLS.
    pub(super) encrypted: bool,
    pub(super) tls: Tls,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: u32,
    pub(super) protocol: Protocol,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) pool_size: usize,
    pub(super) wakeup: Wakeup,
}

/// How a waiter learns that a lock was released.
///
/// ```
/// use dspinlock::{Config, Wakeup};
///
/// // Behind a proxy that speaks no RESP3: nothing is tried that it would refuse.
/// let config = Config::new().with_host("proxy.internal").with_wakeup(Wakeup::Poll);
/// assert_eq!(config.wakeup(), Wakeup::Poll);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wakeup {
    /// The server notifies waiters at once, by client tracking (RESP3). If it can't, or an access list forbids it, the
    /// library finds that out, logs it once, and waiters poll.
    #[default]
    Tracking,
    /// Waiters poll: soon after a turn has begun, then less and less often, down to once every `sleep`.
    Poll,
}

/// The version of the protocol that the server is spoken to. Connections that wait for wake-ups always speak RESP3.
///
/// ```
/// use dspinlock::{Config, Protocol};
///
/// let config = Config::from_url("redis://redis.internal?protocol=resp3")?;
/// assert_eq!(config.protocol(), Protocol::Resp3);
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// The one that every server and proxy speaks.
    #[default]
    Resp2,
    /// The one since Redis 6.
    Resp3,
}

impl Default for Config {
    /// As [`Config::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// Returns the defaults: `127.0.0.1:6379`, database 0, no credentials; 1 s to connect, 1 s for a reply, 16 pooled
    /// connections.
    pub fn new() -> Self {
        Self {
            address: Address::default(),
            origin: Origin::Setters,
            encrypted: false,
            tls: Tls::default(),
            username: None,
            password: None,
            db: 0,
            protocol: Protocol::Resp2,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            pool_size: 16,
            wakeup: Wakeup::Tracking,
        }
    }

    /// Sets the host's name or address, `127.0.0.1` by default. Replaces a socket, sentinels and a cluster.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.address.server_mut().name = host.into();
        self.origin = Origin::Setters;
        self
    }

    /// Sets the port, 6379 by default. Replaces a socket, sentinels and a cluster.
    pub fn with_port(mut self, port: u16) -> Self {
        self.address.server_mut().port = port;
        self.origin = Origin::Setters;
        self
    }

    /// Sets the number of the database, 0 by default.
    pub fn with_db(mut self, db: u32) -> Self {
        self.db = db;
        self
    }

    /// Sets the protocol, [`Protocol::Resp2`] by default.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Turns TLS on, with these settings.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.encrypted = true;
        self.tls = tls;
        self
    }

    /// Sets the user of the server's access list.
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets how long connecting may take, 1 s by default (py-dspinlock's `socket_connect_timeout`).
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a reply may take, 1 s by default. A connection that is slower is replaced.
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Sets how many connections blocking callers may have at most, 16 by default. Further callers, and all of them
    /// with zero or over TLS, share the connection of the library's own thread. No caller waits for a connection.
    pub fn with_pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// Sets how waiters learn that a lock was released, [`Wakeup::Tracking`] by default.
    pub fn with_wakeup(mut self, wakeup: Wakeup) -> Self {
        self.wakeup = wakeup;
        self
    }

    /// Returns the host's name or address; `None` for a socket, for sentinels, for a cluster and for the embedded store.
    pub fn host(&self) -> Option<&str> {
        self.address.server().map(|host| &*host.name)
    }

    /// Returns the port; `None` where there is no [`host`](Self::host).
    pub fn port(&self) -> Option<u16> {
        self.address.server().map(|host| host.port)
    }

    /// Returns the number of the database.
    pub fn db(&self) -> u32 {
        self.db
    }

    /// Returns the protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the settings of TLS; `None` if it is off.
    pub fn tls(&self) -> Option<&Tls> {
        self.uses_tls().then_some(&self.tls)
    }

    /// Returns the user, if there is one.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Returns how long connecting may take.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Returns how long a reply may take.
    pub fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// Returns how many connections blocking callers may have at most.
    pub fn pool_size(&self) -> usize {
        self.pool_size
    }

    /// Returns how waiters learn that a lock was released.
    pub fn wakeup(&self) -> Wakeup {
        self.wakeup
    }
}

impl Config {
    /// The same, with where its address came from.
    pub(in crate::api) fn coming_from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Whether anybody is spoken to over TLS.
    pub(crate) fn uses_tls(&self) -> bool {
        let sentinels = match &self.address {
            Address::Sentinel(sentinel) => sentinel.tls == Some(true),
            _ => false,
        };
        self.encrypted || sentinels
    }

    /// Refuses settings that contradict each other.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !self.uses_tls() && self.tls != Tls::default() {
            return Err(
                "there are settings of TLS, and nothing uses it; write `rediss://` in place of `redis://`",
            );
        }
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Err("`tls_cert` and `tls_key` belong together; write both, or neither");
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("encrypted", &self.encrypted)
            .field("tls", &self.tls)
            .field("db", &self.db)
            .field("protocol", &self.protocol)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("pool_size", &self.pool_size)
            .field("wakeup", &self.wakeup)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setter_sets_its_own_setting() {
        const SECOND: Duration = Duration::from_secs(1);
        let set = Config::new()
            .with_host("host")
            .with_port(1)
            .with_db(2)
            .with_username("me")
            .with_connect_timeout(3 * SECOND)
            .with_response_timeout(4 * SECOND)
            .with_pool_size(5)
            .with_wakeup(Wakeup::Poll);
        assert_eq!((set.host(), set.port(), set.db()), (Some("host"), Some(1), 2));
        assert_eq!((set.username(), set.pool_size(), set.wakeup()), (Some("me"), 5, Wakeup::Poll));
        assert_eq!((set.connect_timeout(), set.response_timeout()), (3 * SECOND, 4 * SECOND));

        let url = Config::from_url("redis://me@host:1/2").unwrap();
        assert_eq!(
            (url.host(), url.port(), url.db(), url.username()),
            (Some("host"), Some(1), 2, Some("me"))
        );
        let changed = url.with_port(7);
        assert_eq!((changed.host(), changed.port(), changed.db()), (Some("host"), Some(7), 2));

        let several = Config::from_url("redis-cluster://a,b:7000").unwrap();
        assert_eq!((several.host(), several.port()), (None, None));
        let replaced = several.with_port(7);
        assert_eq!((replaced.host(), replaced.port()), (Some("127.0.0.1"), Some(7)));
    }

    #[test]
    fn shows_no_credentials() {
        let config = Config::from_url("redis://me:hunter2@host:1/2")
            .unwrap()
            .with_username("you")
            .with_password("swordfish");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }
}
