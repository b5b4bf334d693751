//! How connections are opened, and which of them are still good.

use super::connect::connect;
use super::link::{EndOfEpoch, Limits, OnSwitch, Passing};
use super::refusal::{NO_REDIS, hinted, io_error, is_outage, misconfigured};
use super::sentinels::Sentinels;
use super::tls::{Driver, Tls, explained};
use crate::clock::Tick;
use crate::sync::lock;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Connection, ErrorKind, ProtocolVersion, RedisError, RedisResult,
};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Opens the connections to one server, wherever that is at present.
///
/// The server behind an address may become another one, so connections have an *epoch*. Those of an earlier one are not used
/// again.
pub(crate) struct Dialer {
    place: Place,
    tls: Option<Tls>,
    /// Whether a connection was opened so far. If not, the server may not be what the address says.
    worked: AtomicBool,
    epoch: AtomicU64,
    /// When the last epoch ended.
    ended: Mutex<Option<Tick>>,
}

enum Place {
    Fixed(Box<Fixed>),
    Known(Sentinels),
}

/// One address.
struct Fixed {
    client: Client,
    /// The same server, in the protocol that has pushes.
    resp3: Client,
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
        Ok(Self::at(Place::Fixed(Box::new(Fixed { client, resp3 }))))
    }

    /// Opens connections to the primary that sentinels know.
    pub(crate) fn asking(sentinels: Sentinels) -> Self {
        Self::at(Place::Known(sentinels))
    }

    fn at(place: Place) -> Self {
        let (worked, epoch) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { place, tls: None, worked, epoch, ended: Mutex::default() }
    }

    /// The same over TLS.
    pub(crate) fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Sets what a switch to another server ends.
    pub(super) fn on_switch(&self, end: OnSwitch) {
        if let Place::Known(sentinels) = &self.place {
            sentinels.on_switch(end);
        }
    }

    /// Whether this failure ends when the sentinels have found another primary. They have to be there for that.
    pub(super) fn passing(&self, error: &RedisError) -> Option<Passing> {
        match &self.place {
            Place::Known(sentinels) if is_outage(error) && sentinels.answer() => Some(Passing::FailingOver),
            _ => None,
        }
    }

    /// The present epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins the next epoch, if `seen` is the present one and, unless it ends by a switch, has lasted for a while: `true` for the
    /// one caller that did.
    pub(super) fn end_epoch(&self, seen: u64, why: EndOfEpoch) -> bool {
        let now = Tick::now();
        let mut ended = lock(&self.ended);
        let is_short = why == EndOfEpoch::Demotion && ended.is_some_and(|ended| now - ended < SHORTEST_EPOCH);
        if self.epoch() != seen || is_short {
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
        match &self.place {
            Place::Fixed(fixed) => {
                let client = if pushes { &fixed.resp3 } else { &fixed.client };
                let (connection, driver) = self.noted(connect(client, self.tls.as_ref(), config).await)?;
                Ok(Dialed { connection, epoch, _driver: driver })
            }
            Place::Known(sentinels) => {
                let primary = sentinels.find().await?;
                let client = sentinels.client(&primary, pushes.then_some(ProtocolVersion::RESP3))?;
                let opened = self.noted(connect(&client, self.tls.as_ref(), config).await);
                let (mut connection, driver) = opened.inspect_err(|_| sentinels.missed(&primary))?;
                let role = role().query_async(&mut connection).await;
                Ok(Dialed { connection, epoch: sentinels.reached(primary, role, epoch)?, _driver: driver })
            }
        }
    }

    /// Whether blocking callers can have connections of their own. Over TLS they share those of the library's thread.
    pub(super) fn opens_blocking(&self) -> bool {
        self.tls.is_none()
    }

    /// Opens a connection for a blocking caller.
    pub(super) fn open_blocking(&self, limits: Limits) -> RedisResult<Dialed<Connection>> {
        let (epoch, until) = (self.epoch(), Tick::now() + limits.connect_timeout);
        let open = |client: &Client, timeout| {
            let connection = self.noted(client.get_connection_with_timeout(timeout))?;
            connection.set_read_timeout(Some(limits.response_timeout))?;
            connection.set_write_timeout(Some(limits.response_timeout))?;
            RedisResult::Ok(connection)
        };
        match &self.place {
            Place::Fixed(fixed) => {
                let connection = open(&fixed.client, limits.connect_timeout)?;
                Ok(Dialed { connection, epoch, _driver: None })
            }
            Place::Known(sentinels) => {
                let primary = sentinels.find_blocking()?;
                // About a half is left. Zero would be no time limit.
                let rest = Tick::now().until(until).max(Duration::from_millis(1));
                let opened = open(&sentinels.client(&primary, None)?, rest);
                let mut connection = opened.inspect_err(|_| sentinels.missed(&primary))?;
                let role = role().query(&mut connection);
                Ok(Dialed { connection, epoch: sentinels.reached(primary, role, epoch)?, _driver: None })
            }
        }
    }

    /// The error of a connection that could not be opened in time.
    pub(super) fn late(&self) -> RedisError {
        let late = io::Error::from(io::ErrorKind::TimedOut);
        let first = !self.worked.load(Ordering::Relaxed);
        if first && self.tls.is_some() {
            hinted(
                &late,
                "no reply in time",
                "look whether the server hangs, or write `redis://` if it speaks no TLS",
            )
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
                    return Err(misconfigured(format!(
                        "what answers there is no Redis or Valkey; {NO_REDIS}"
                    )));
                }
                if let Some(cause) = io_error(error).filter(|cause| HUNG_UP.contains(&cause.kind())) {
                    return Err(hinted(
                        cause,
                        &cause.to_string(),
                        "it closed the connection at once; write `rediss://` if it speaks TLS",
                    ));
                }
            }
            Err(_) => {}
        }
        opened.map_err(explained)
    }
}

fn role() -> Cmd {
    redis::cmd("ROLE")
}
