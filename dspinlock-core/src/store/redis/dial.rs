//! How connections are opened, and which of them are still good.

use super::link::Limits;
use super::refusal::{hinted, io_error, misconfigured};
use super::tls::{Driver, Tls, explained};
use crate::clock::Tick;
use crate::sync::lock;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Connection, ErrorKind, ProtocolVersion, RedisError, RedisResult};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Opens the connections to one server, wherever that is at present.
///
/// The server behind an address may become another one, so connections have an *epoch*. Those of an earlier one are not used
/// again.
pub(crate) struct Dialer {
    client: Client,
    /// The same server, in the protocol that has pushes.
    resp3: Client,
    tls: Option<Tls>,
    /// Whether a connection was opened so far. If not, the server may not be what the address says.
    worked: AtomicBool,
    epoch: AtomicU64,
    /// When the last epoch ended.
    ended: Mutex<Option<Tick>>,
}

/// How long an epoch lasts at least. While the address still leads to a server that was demoted, many callers may say so at once,
/// again and again.
const SHORTEST_EPOCH: Duration = Duration::from_millis(200);
/// The errors of a server that closes a connection at the first word.
const HUNG_UP: [io::ErrorKind; 4] = [
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::UnexpectedEof,
];

/// A connection, and the epoch in which it was opened.
#[derive(Clone)]
pub(super) struct Dialed<C> {
    pub(super) connection: C,
    pub(super) epoch: u64,
    /// What drives the connection, if the connection does not see to that itself.
    _driver: Option<Driver>,
}

impl Dialer {
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(client: Client) -> RedisResult<Self> {
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let resp3 = Client::open(info.set_redis_settings(settings))?;
        let (worked, epoch) = (AtomicBool::new(false), AtomicU64::new(0));
        Ok(Self { client, resp3, tls: None, worked, epoch, ended: Mutex::default() })
    }

    /// The same over TLS.
    pub(crate) fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The present epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins the next epoch, if `seen` is the present one and has lasted for a while: `true` for the one caller that did.
    pub(super) fn end_epoch(&self, seen: u64) -> bool {
        let now = Tick::now();
        let mut ended = lock(&self.ended);
        if self.epoch() != seen || ended.is_some_and(|ended| now - ended < SHORTEST_EPOCH) {
            return false;
        }
        *ended = Some(now);
        self.epoch.store(seen + 1, Ordering::Release);
        true
    }

    /// Opens a connection for async callers. With `pushes` it speaks the protocol that has them. The caller sets the time limit.
    pub(super) async fn open(
        &self,
        config: &AsyncConnectionConfig,
        pushes: bool,
    ) -> RedisResult<Dialed<MultiplexedConnection>> {
        // Before the address is resolved: what is resolved in an earlier epoch is as old as that.
        let epoch = self.epoch();
        let client = if pushes { &self.resp3 } else { &self.client };
        let opened = match &self.tls {
            Some(tls) => tls.open(client.get_connection_info(), config).await,
            None => {
                client.get_multiplexed_async_connection_with_config(config).await.map(|opened| (opened, None))
            }
        };
        let (connection, driver) = self.noted(opened)?;
        Ok(Dialed { connection, epoch, _driver: driver })
    }

    /// Whether blocking callers can have connections of their own. Over TLS they share those of the library's thread.
    pub(super) fn opens_blocking(&self) -> bool {
        self.tls.is_none()
    }

    /// Opens a connection for a blocking caller.
    pub(super) fn open_blocking(&self, limits: Limits) -> RedisResult<Dialed<Connection>> {
        let epoch = self.epoch();
        let connection = self.noted(self.client.get_connection_with_timeout(limits.connect_timeout))?;
        connection.set_read_timeout(Some(limits.response_timeout))?;
        connection.set_write_timeout(Some(limits.response_timeout))?;
        Ok(Dialed { connection, epoch, _driver: None })
    }

    /// The error of a connection that could not be opened in time.
    pub(super) fn late(&self) -> RedisError {
        let late = io::Error::from(io::ErrorKind::TimedOut);
        let first = !self.worked.load(Ordering::Relaxed);
        if first && self.tls.is_some() {
            hinted(&late, "no reply in time", "if the server speaks no TLS, write `redis://`")
        } else {
            late.into()
        }
    }

    /// Notes whether the server is one. While none has answered so far, a failure may come from what the address does not say.
    fn noted<T>(&self, opened: RedisResult<T>) -> RedisResult<T> {
        match &opened {
            Ok(_) => self.worked.store(true, Ordering::Relaxed),
            Err(error) if !self.worked.load(Ordering::Relaxed) && self.tls.is_none() => {
                if error.kind() == ErrorKind::Parse {
                    return Err(misconfigured(
                        "what answers there is no Redis; if it speaks TLS, write `rediss://`".to_owned(),
                    ));
                }
                if let Some(cause) = io_error(error).filter(|cause| HUNG_UP.contains(&cause.kind())) {
                    return Err(hinted(
                        cause,
                        &cause.to_string(),
                        "if the server speaks TLS, write `rediss://`",
                    ));
                }
            }
            Err(_) => {}
        }
        opened.map_err(explained)
    }
}
