//! Connections that the library opens, keeps and replaces.
//!
//! A connection that did not answer in time is replaced, never used again: on a half-open one every command would time
//! out. Every operation is idempotent by its tag, so a command whose reply is missing is sent once more on a new one.

use super::link::{Batch, Exchange, Lane, Limits, Link, PIECE_LANES, Received, breaks_connection};
use super::shared::SharedConnection;
use crate::store::Wakeups;
use crate::sync::lock;
use redis::{Client, Connection, RedisResult};
use std::sync::Mutex;

/// One connection for each lane, opened by its first caller, and a pool for blocking callers.
pub(crate) struct Own {
    client: Client,
    limits: Limits,
    pool: Mutex<Pool>,
    shared: SharedConnection,
    renewals: SharedConnection,
    confirmed: SharedConnection,
    values: SharedConnection,
    copies: SharedConnection,
    pieces: [SharedConnection; PIECE_LANES],
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Own {
    /// With `tracks` the server is asked to push changes, which are notified to `wakeups`.
    ///
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(client: Client, limits: Limits, tracks: bool, wakeups: Wakeups) -> RedisResult<Self> {
        let lane = |tracks, wakeups| SharedConnection::new(client.clone(), limits, tracks, wakeups);
        let shared = lane(tracks, wakeups.clone())?;
        let confirmed = lane(tracks, wakeups.clone())?;
        let copies = lane(tracks, wakeups)?;
        // Nobody listens on the others: no change is missed when one is opened again.
        let untracked = || lane(false, Wakeups::default());
        let (renewals, values, pieces) = (untracked()?, untracked()?, [untracked()?, untracked()?]);
        let pool = Mutex::default();
        Ok(Self { client, limits, pool, shared, renewals, confirmed, values, copies, pieces })
    }

    /// A connection for a blocking caller; `None` if all are in use.
    fn check_out(&self) -> Option<RedisResult<Connection>> {
        {
            let mut pool = lock(&self.pool);
            if let Some(connection) = pool.idle.pop() {
                return Some(Ok(connection));
            }
            if pool.open >= self.limits.pool_size {
                return None;
            }
            pool.open += 1;
        }
        Some(self.open_counted())
    }

    /// Opens a connection that the pool counts already; after a failure it does not.
    fn open_counted(&self) -> RedisResult<Connection> {
        self.open().inspect_err(|_| self.uncount())
    }

    fn uncount(&self) {
        lock(&self.pool).open -= 1;
    }

    fn check_in(&self, connection: Connection) {
        lock(&self.pool).idle.push(connection);
    }

    /// Closes a connection that broke, and the idle ones with it: they are as old, and likely as dead. The pool goes on
    /// counting the broken one, for its replacement.
    fn retire(&self, broken: Connection) {
        let mut pool = lock(&self.pool);
        let idle = std::mem::take(&mut pool.idle);
        pool.open -= idle.len();
        drop(pool);
        drop((broken, idle));
    }

    fn open(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(self.limits.connect_timeout)?;
        connection.set_read_timeout(Some(self.limits.response_timeout))?;
        connection.set_write_timeout(Some(self.limits.response_timeout))?;
        Ok(connection)
    }
}

impl Link for Own {
    fn send<'a>(&'a self, batch: &'a Batch, track: bool) -> Exchange<'a> {
        let connection = match batch.lane {
            Lane::Shared => &self.shared,
            Lane::Renewals => &self.renewals,
            Lane::Confirmed => &self.confirmed,
            Lane::Values => &self.values,
            Lane::Copies => &self.copies,
            Lane::Pieces(number) => &self.pieces[number],
        };
        Box::pin(connection.send(batch, track))
    }

    fn send_blocking(&self, batch: &Batch) -> Option<Received> {
        // The library's thread reads on where a value is large, and bounds the wait for several replies as a whole.
        if batch.lane.is_for_values() || batch.lane == Lane::Confirmed {
            return None;
        }
        let mut opened = self.check_out()?;
        let mut repeated = false;
        loop {
            let mut connection = match opened {
                Ok(connection) => connection,
                Err(error) => return Some(Received { repeated, ..Received::one(Err(error)) }),
            };
            let received = match batch.single() {
                Some(command) => Received::one(command.query(&mut connection)),
                None => Received::several(batch.pipeline(None).query(&mut connection), false),
            };
            if !received.value.as_ref().is_err_and(breaks_connection) {
                self.check_in(connection);
                return Some(Received { repeated, ..received });
            }
            self.retire(connection);
            if repeated {
                self.uncount();
                return Some(Received { repeated, ..received });
            }
            opened = self.open_counted();
            repeated = true;
        }
    }
}
