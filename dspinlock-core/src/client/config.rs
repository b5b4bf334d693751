//! Where the server is, and how patient to be with it.

use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;
use crate::worker::Worker;
use std::fmt;
use std::time::Duration;

/// A server and the limits of the connections to it. The defaults are py-dspinlock's, `localhost:6379`, database 0, with
/// the address in numbers.
///
/// ```
/// use dspinlock_core::{Client, Config};
/// use std::time::Duration;
///
/// let config = Config::new().host("redis.internal").db(2).password("secret").connect_timeout(Duration::from_secs(2));
/// assert!(!format!("{config:?}").contains("secret"));
/// # #[cfg(feature = "redis")]
/// let client = Client::from_config(&config)?; // connects when it is first used
/// # Ok::<(), dspinlock_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Config {
    address: Address,
    credentials: Credentials,
    connect_timeout: Duration,
    response_timeout: Duration,
    pool_size: usize,
    wakeup: Wakeup,
}

/// How a waiter learns that a lock has been given back.
///
/// ```
/// use dspinlock_core::{Config, Wakeup};
///
/// // Behind a proxy that speaks no RESP3: nothing is tried that it would refuse.
/// let config = Config::new().host("proxy.internal").wakeup(Wakeup::Poll);
/// # drop(config);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wakeup {
    /// The server tells, by client tracking (RESP3), at once and without being asked. Where it can't, or an access list
    /// forbids it, that is found out and logged once, and waiters poll.
    #[default]
    Tracking,
    /// Waiters look again every `sleep`.
    Poll,
}

#[derive(Clone)]
enum Address {
    Parts {
        host: String,
        port: u16,
        db: u32,
    },
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "nothing connects without Redis"))]
    Url(String),
}

#[derive(Clone, Default)]
struct Credentials {
    username: Option<String>,
    password: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// `127.0.0.1:6379`, database 0, no credentials; 1 s to connect, 1 s for a reply, 16 pooled connections.
    pub fn new() -> Self {
        Self {
            address: Address::Parts { host: "127.0.0.1".to_owned(), port: 6379, db: 0 },
            credentials: Credentials::default(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            pool_size: 16,
            wakeup: Wakeup::Tracking,
        }
    }

    /// The server at a `redis://` or `redis+unix://` URL, its `valkey` spellings included.
    ///
    /// # Errors
    ///
    /// `Config` for any other URL. The message never repeats the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "valkey" | "redis+unix" | "valkey+unix" | "unix" => {}
            "rediss" | "valkeys" => {
                return Err(config_error("TLS (`rediss://`) is not supported yet; write `redis://`"));
            }
            _ => {
                return Err(config_error(
                    "the URL can't be used: write `redis://[user[:password]@]host[:port][/db]` or `memory://`",
                ));
            }
        }
        #[cfg(feature = "redis")]
        ::redis::Client::open(url).map_err(|_| {
            config_error(
                "the URL can't be read: write `redis://[user[:password]@]host[:port][/db]`, percent-encoded",
            )
        })?;
        Ok(Self { address: Address::Url(url.to_owned()), ..Self::new() })
    }

    /// The host's name or address, `127.0.0.1` by default. Replaces a URL.
    #[must_use]
    pub fn host(self, host: impl Into<String>) -> Self {
        self.part(|at, _, _| *at = host.into())
    }

    /// The port, 6379 by default. Replaces a URL.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.part(|_, at, _| *at = port)
    }

    /// The database, 0 by default. Replaces a URL.
    #[must_use]
    pub fn db(self, db: u32) -> Self {
        self.part(|_, _, at| *at = db)
    }

    fn part(mut self, change: impl FnOnce(&mut String, &mut u16, &mut u32)) -> Self {
        if let Address::Url(_) = self.address {
            self.address = Self::new().address;
        }
        if let Address::Parts { host, port, db } = &mut self.address {
            change(host, port, db);
        }
        self
    }

    /// The user of the server's access list. Overrides one in a URL.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.credentials.username = Some(username.into());
        self
    }

    /// The password. Overrides one in a URL.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.credentials.password = Some(password.into());
        self
    }

    /// How long connecting may take, 1 s by default (py-dspinlock's `socket_connect_timeout`).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a reply may take, 1 s by default. A connection that is slower is replaced.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How many connections blocking callers may have at the most, 16 by default. Further callers, and all with zero,
    /// share the connection of the async callers; nobody waits for a connection.
    #[must_use]
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }
}

impl Config {
    /// How waiters learn that a lock has been given back, by tracking unless it is said otherwise.
    #[must_use]
    pub fn wakeup(mut self, wakeup: Wakeup) -> Self {
        self.wakeup = wakeup;
        self
    }
}

#[cfg(feature = "redis")]
impl Config {
    /// Opens nothing yet.
    pub(super) fn store(&self, worker: &Worker) -> Result<Store> {
        use crate::store::Wakeups;
        use crate::store::redis::{Limits, Own, Redis};
        use ::redis::{ConnectionAddr, IntoConnectionInfo};

        if self.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return Err(config_error("`connect_timeout` and `response_timeout` must not be zero"));
        }
        let unreadable = |_| config_error("the address of the server can't be used");
        let (info, db) = match &self.address {
            Address::Parts { host, port, db } => (
                ConnectionAddr::Tcp(host.clone(), *port).into_connection_info().map_err(unreadable)?,
                Some(*db),
            ),
            Address::Url(url) => (url.as_str().into_connection_info().map_err(unreadable)?, None),
        };
        let mut settings = info.redis_settings().clone();
        if let Some(db) = db {
            settings = settings.set_db(db.into());
        }
        if let Some(username) = &self.credentials.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.credentials.password {
            settings = settings.set_password(password);
        }
        let nodelay = info.tcp_settings().clone().set_nodelay(true);
        let place = format!("redis at {}/{}", info.addr(), settings.db());
        let secret = settings.password().map(ToOwned::to_owned);
        let info = info.set_redis_settings(settings).set_tcp_settings(nodelay);
        let client = ::redis::Client::open(info).map_err(unreadable)?;
        let limits = Limits {
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            pool_size: self.pool_size,
        };
        let wakeups = Wakeups::default();
        let own =
            Own::new(client, limits, self.wakeup == Wakeup::Tracking, wakeups.clone()).map_err(unreadable)?;
        let redis = Redis::new(own, worker.clone(), limits, &place).woken_by(wakeups);
        Ok(Store::redis(redis.keeping(secret.as_deref())))
    }
}

#[cfg(not(feature = "redis"))]
impl Config {
    #[expect(clippy::unused_self, reason = "the twin with a server reads the configuration")]
    pub(super) fn store(&self, _: &Worker) -> Result<Store> {
        Err(config_error("this build has no Redis: turn on the feature `redis`, or use `memory://`"))
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
    fn refuses_other_urls_without_repeating_them() {
        for url in [
            "",
            "localhost",
            "http://user:hunter2@host",
            "rediss://:hunter2@host",
            "redis://:hunter2@ho st:x",
        ] {
            let Err(error) = Config::from_url(url) else { panic!("{url} was taken") };
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn shows_no_credentials() {
        let config =
            Config::from_url("redis://me:hunter2@host:1/2").unwrap().username("you").password("swordfish");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }
}
