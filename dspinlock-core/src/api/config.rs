//! Where the server is, and how patient to be with it.

use crate::api::url;
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::time::Duration;

/// The address of a server, and the limits of the connections to it. The defaults are py-dspinlock's: `127.0.0.1:6379`,
/// database 0.
///
/// Each setting has a setter, `with_…`, and a getter, except that nothing shows a password.
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
/// assert_eq!((config.host(), config.db()), (Some("redis.internal"), Some(2)));
/// assert!(!format!("{config:?}").contains("secret"));
/// # #[cfg(feature = "redis")]
/// let client = Client::from_config(&config)?; // connects when it is first used
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Config {
    pub(super) address: Address,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
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

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    Parts { host: String, port: u16, db: u32 },
    Url(String),
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
            address: Address::Parts { host: "127.0.0.1".to_owned(), port: 6379, db: 0 },
            username: None,
            password: None,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            pool_size: 16,
            wakeup: Wakeup::Tracking,
        }
    }

    /// Makes a configuration of the server at a `redis://` or `redis+unix://` URL, or one of their `valkey` spellings:
    /// `redis://[user[:password]@]host[:port][/db]`, or `redis+unix:///path[?db=…&user=…&pass=…]`. User and password
    /// are percent-encoded. Both forms take the parameter `protocol=resp2` or `protocol=resp3`.
    ///
    /// # Errors
    ///
    /// `Config` for any other URL: what can't be understood is refused, and never taken for a part of the host. The
    /// message never repeats the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self> {
        url::check(url).map_err(config_error)?;
        #[cfg(feature = "redis")]
        ::redis::Client::open(url).map_err(|_| config_error(url::UNREADABLE))?;
        Ok(Self { address: Address::Url(url.to_owned()), ..Self::new() })
    }

    /// Sets the host's name or address, `127.0.0.1` by default. Replaces a URL.
    pub fn with_host(self, host: impl Into<String>) -> Self {
        self.with_part(|at, _, _| *at = host.into())
    }

    /// Sets the port, 6379 by default. Replaces a URL.
    pub fn with_port(self, port: u16) -> Self {
        self.with_part(|_, at, _| *at = port)
    }

    /// Sets the number of the database, 0 by default. Replaces a URL.
    pub fn with_db(self, db: u32) -> Self {
        self.with_part(|_, _, at| *at = db)
    }

    fn with_part(mut self, change: impl FnOnce(&mut String, &mut u16, &mut u32)) -> Self {
        if let Address::Url(_) = self.address {
            self.address = Self::new().address;
        }
        if let Address::Parts { host, port, db } = &mut self.address {
            change(host, port, db);
        }
        self
    }

    /// Sets the user of the server's access list. Overrides one in a URL.
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password. Overrides one in a URL.
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
    /// with zero, share the connection of the async callers. No caller waits for a connection.
    pub fn with_pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// Sets how waiters learn that a lock was released, [`Wakeup::Tracking`] by default.
    pub fn with_wakeup(mut self, wakeup: Wakeup) -> Self {
        self.wakeup = wakeup;
        self
    }

    /// Returns the host's name or address; `None` for a URL, which is not taken apart, since it may hold a password.
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Parts { host, .. } => Some(host),
            Address::Url(_) => None,
        }
    }

    /// Returns the port; `None` for a URL.
    pub fn port(&self) -> Option<u16> {
        match self.address {
            Address::Parts { port, .. } => Some(port),
            Address::Url(_) => None,
        }
    }

    /// Returns the number of the database; `None` for a URL.
    pub fn db(&self) -> Option<u32> {
        match self.address {
            Address::Parts { db, .. } => Some(db),
            Address::Url(_) => None,
        }
    }

    /// Returns the user that [`with_username`](Self::with_username) set, if it did.
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

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        match &self.address {
            Address::Parts { host, port, db } => {
                debug.field("host", host).field("port", port).field("db", db)
            }
            // A URL may hold a password, and taking it apart to show the rest could go wrong.
            Address::Url(_) => debug.field("url", &"…"),
        };
        debug
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("pool_size", &self.pool_size)
            .field("wakeup", &self.wakeup)
            .finish_non_exhaustive()
    }
}

fn config_error(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
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
        assert_eq!((set.host(), set.port(), set.db()), (Some("host"), Some(1), Some(2)));
        assert_eq!((set.username(), set.pool_size(), set.wakeup()), (Some("me"), 5, Wakeup::Poll));
        assert_eq!((set.connect_timeout(), set.response_timeout()), (3 * SECOND, 4 * SECOND));

        let url = Config::from_url("redis://me@host:1/2").unwrap();
        assert_eq!((url.host(), url.port(), url.db(), url.username()), (None, None, None, None));
        let replaced = url.with_port(7);
        assert_eq!((replaced.host(), replaced.port(), replaced.db()), (Some("127.0.0.1"), Some(7), Some(0)));
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
