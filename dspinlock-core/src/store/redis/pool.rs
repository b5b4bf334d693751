//! Connections for blocking callers, each used by one thread at a time.

use super::dial::{Dialed, Dialer};
use super::link::{Batch, Lane, Limits, Received, breaks_connection};
use crate::sync::lock;
use redis::{Connection, RedisResult};
use std::sync::{Arc, Mutex};

/// A pool of connections that the library opens.
pub(super) struct Pool {
    dialer: Arc<Dialer>,
    limits: Limits,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Dialed<Connection>>,
    open: usize,
}

impl Pool {
    pub(super) fn new(dialer: Arc<Dialer>, limits: Limits) -> Self {
        Self { dialer, limits, connections: Mutex::default() }
    }

    /// Sends a batch, and once more on a new connection if the reply was lost; `None` if all connections are in use.
    pub(super) fn send(&self, batch: &Batch) -> Option<Received> {
        let mut opened = self.check_out()?;
        let mut repeated = false;
        loop {
            let mut dialed = match opened {
                Ok(dialed) => dialed,
                Err(error) => return Some(Received { repeated, ..Received::unsent(error) }),
            };
            let connection = &mut dialed.connection;
            let received = match batch.single() {
                Some(command) => Received::one(command.query(connection)),
                None => batch.received(batch.pipeline(None).query(connection), false),
            };
            let received = Received { repeated, epoch: dialed.epoch, ..received };
            if !received.value.as_ref().is_err_and(breaks_connection) {
                self.check_in(dialed);
                return Some(received);
            }
            // The pool goes on counting it, for its replacement. The idle ones are as old, and likely as dead.
            drop(dialed);
            self.close_idle();
            // A caller that wants a value has another way to it.
            if repeated || batch.lane == Lane::Values {
                self.uncount();
                return Some(received);
            }
            opened = self.open_counted();
            repeated = true;
        }
    }

    /// A connection for a blocking caller; `None` if all are in use, or there are none.
    fn check_out(&self) -> Option<RedisResult<Dialed<Connection>>> {
        if !self.dialer.opens_blocking() {
            return None;
        }
        {
            let mut connections = lock(&self.connections);
            if let Some(dialed) = connections.idle.pop() {
                return Some(Ok(dialed));
            }
            if connections.open >= self.limits.pool_size {
                return None;
            }
            connections.open += 1;
        }
        Some(self.open_counted())
    }

    /// Opens a connection that the pool counts already; after a failure it does not.
    fn open_counted(&self) -> RedisResult<Dialed<Connection>> {
        self.dialer.open_blocking(self.limits).inspect_err(|_| self.uncount())
    }

    fn uncount(&self) {
        lock(&self.connections).open -= 1;
    }

    fn check_in(&self, dialed: Dialed<Connection>) {
        let mut connections = lock(&self.connections);
        // Under the lock, so that `close_idle` of a new epoch misses none.
        if dialed.epoch == self.dialer.epoch() {
            connections.idle.push(dialed);
        } else {
            connections.open -= 1;
            drop(connections);
            drop(dialed);
        }
    }

    /// Closes the connections that nobody uses at present.
    pub(super) fn close_idle(&self) {
        let mut connections = lock(&self.connections);
        let idle = std::mem::take(&mut connections.idle);
        connections.open -= idle.len();
        drop(connections);
        drop(idle);
    }
}
