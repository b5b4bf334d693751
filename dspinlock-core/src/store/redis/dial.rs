//! How connections are opened, and which of them are still good.

use super::link::Limits;
use crate::clock::Tick;
use crate::sync::lock;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Connection, ProtocolVersion, RedisResult};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Opens the connections to one server, wherever that is at present.
///
/// The server behind an address may become another one, so connections have an *epoch*. Those of an earlier one are not used
/// again.
pub(crate) struct Dialer {
    client: Client,
    /// The same server, in the protocol that has pushes.
    resp3: Client,
    epoch: AtomicU64,
    /// When the last epoch ended.
    ended: Mutex<Option<Tick>>,
}

/// How long an epoch lasts at least. While the address still leads to a server that was demoted, many callers may say so at once,
/// again and again.
const SHORTEST_EPOCH: Duration = Duration::from_millis(200);

/// A connection, and the epoch in which it was opened.
#[derive(Clone)]
pub(super) struct Dialed<C> {
    pub(super) connection: C,
    pub(super) epoch: u64,
}

impl Dialer {
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(client: Client) -> RedisResult<Self> {
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let resp3 = Client::open(info.set_redis_settings(settings))?;
        Ok(Self { client, resp3, epoch: AtomicU64::new(0), ended: Mutex::default() })
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

    /// Opens a connection for async callers. With `pushes` it speaks the protocol that has them.
    pub(super) async fn open(
        &self,
        config: &AsyncConnectionConfig,
        pushes: bool,
    ) -> RedisResult<Dialed<MultiplexedConnection>> {
        // Before the address is resolved: what is resolved in an earlier epoch is as old as that.
        let epoch = self.epoch();
        let client = if pushes { &self.resp3 } else { &self.client };
        let connection = client.get_multiplexed_async_connection_with_config(config).await?;
        Ok(Dialed { connection, epoch })
    }

    /// Opens a connection for a blocking caller.
    pub(super) fn open_blocking(&self, limits: Limits) -> RedisResult<Dialed<Connection>> {
        let epoch = self.epoch();
        let connection = self.client.get_connection_with_timeout(limits.connect_timeout)?;
        connection.set_read_timeout(Some(limits.response_timeout))?;
        connection.set_write_timeout(Some(limits.response_timeout))?;
        Ok(Dialed { connection, epoch })
    }
}
