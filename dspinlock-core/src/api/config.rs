//! Where the server is, and how patient to be with it.

use crate::api::url;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "redis")]
use crate::options::check_duration;
use crate::store::Store;
use crate::worker::Worker;
use std::fmt;
use std::time::Duration;

/// A server and the limits of the connections to it. The defaults are py-dspinlock's, `localhost:6379`, database 0, with
/// the address in numbers.
///
/// ```
/// use dspinlock::{Client, Config};
/// use std::time::Duration;
///
/// let config = Config::new().host("redis.internal").db(2).password("secret").connect_timeout(Duration::from_secs(2));
/// assert!(!format!("{config:?}").contains("secret"));
/// # #[cfg(feature = "redis")]
/// let client = Client::from_config(&config)?; // connects when it is first used
/// # Ok::<(), dspinlock::Error>(())
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
/// use dspinlock::{Config, Wakeup};
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
    /// Waiters look again: soon after a turn has begun, then less and less often, down to every `sleep`.
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

    /// The server at a `redis://` or `redis+unix://` URL, its `valkey` spellings included: `redis://[user[:password]@]host[:port][/db]`,
    /// or `redis+unix:///path[?db=…&user=…&pass=…]`. User and password are percent-encoded. `protocol=resp2` or `resp3` is
    /// the one parameter that both take.
    ///
    /// # Errors
    ///
    /// `Config` for any other URL: what can't be understood is refused, and is never taken for a part of the host. The
    /// message never repeats the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self> {
        url::check(url).map_err(config_error)?;
        #[cfg(feature = "redis")]
        ::redis::Client::open(url).map_err(|_| config_error(url::UNREADABLE))?;
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
    fn validate(&self) -> Result<()> {
        check_duration("`connect_timeout`", self.connect_timeout, "")?;
        check_duration("`response_timeout`", self.response_timeout, "")?;
        match &self.address {
            Address::Parts { host, .. } if host.is_empty() => {
                Err(config_error("`host` is empty; write a name or an address"))
            }
            Address::Parts { port: 0, .. } => {
                Err(config_error("`port` is 0, where no server listens; write 6379, or the server's own"))
            }
            _ => Ok(()),
        }
    }

    /// Opens nothing yet.
    pub(super) fn store(&self, worker: &Worker) -> Result<Store> {
        use crate::store::Wakeups;
        use crate::store::redis::{self, Limits, Own};
        use ::redis::{ConnectionAddr, IntoConnectionInfo};

        self.validate()?;
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
        Ok(redis::store(own, worker.clone(), limits, &place, secret.as_deref(), wakeups))
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
    fn shows_no_credentials() {
        let config =
            Config::from_url("redis://me:hunter2@host:1/2").unwrap().username("you").password("swordfish");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn refuses_what_can_not_be_used_by_its_name() {
        type Set = fn(Config, Duration) -> Config;
        let refused = |config: Config| {
            let error = crate::Client::from_config(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            error.to_string()
        };
        let timeouts: [(&str, Set); 2] = [
            ("`connect_timeout` is", Config::connect_timeout),
            ("`response_timeout` is", Config::response_timeout),
        ];
        for (starts, set) in timeouts {
            for (timeout, ends) in [
                (Duration::ZERO, "write at least one millisecond"),
                (Duration::from_nanos(1), "write at least one millisecond"),
                (Duration::MAX, "above the limit of 365 days"),
            ] {
                let text = refused(set(Config::new(), timeout));
                assert!(text.starts_with(starts) && text.ends_with(ends), "{text}");
            }
        }
        assert!(refused(Config::new().port(0)).starts_with("`port` is 0"));
        assert!(refused(Config::new().host("")).starts_with("`host` is empty"));
        let most = Config::new().connect_timeout(crate::MAX_DURATION).response_timeout(crate::MAX_DURATION);
        crate::Client::from_config(&most.pool_size(usize::MAX).db(u32::MAX)).unwrap();
    }
}
