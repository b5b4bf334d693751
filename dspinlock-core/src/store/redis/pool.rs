//! Connections for blocking callers, each used by one thread at a time.

use super::link::{Batch, Lane, Limits, Received, breaks_connection};
use crate::sync::lock;
use redis::{Client, Connection, RedisResult};
use std::sync::Mutex;

/// A pool of connections that the library opens.
pub(super) struct Pool {
    client: Client,
    limits: Limits,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    open: usize,
}

impl Pool {
    pub(super) fn new(client: Client, limits: Limits) -> Self {
        Self { client, limits, connections: Mutex::default() }
    }

    /// Sends a batch, and once more on a new connection if the reply was lost; `None` if all connections are in use.
    pub(super) fn send(&self, batch: &Batch) -> Option<Received> {
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
            // A caller that wants a value has another way to it.
            if repeated || batch.lane == Lane::Values {
                self.uncount();
                return Some(Received { repeated, ..received });
            }
            opened = self.open_counted();
            repeated = true;
        }
    }

    /// A connection for a blocking caller; `None` if all are in use.
    fn check_out(&self) -> Option<RedisResult<Connection>> {
        {
            let mut connections = lock(&self.connections);
            if let Some(connection) = connections.idle.pop() {
                return Some(Ok(connection));
            }
            if connections.open >= self.limits.pool_size {
                return None;
            }
            connections.open += 1;
        }
        Some(self.open_counted())
    }

    /// Opens a connection that the pool counts already; after a failure it does not.
    fn open_counted(&self) -> RedisResult<Connection> {
        self.open().inspect_err(|_| self.uncount())
    }

    fn uncount(&self) {
        lock(&self.connections).open -= 1;
    }

    fn check_in(&self, connection: Connection) {
        lock(&self.connections).idle.push(connection);
    }

    /// Closes a connection that broke, and the idle ones with it: they are as old, and likely as dead. The pool goes on
    /// counting the broken one, for its replacement.
    fn retire(&self, broken: Connection) {
        let mut connections = lock(&self.connections);
        let idle = std::mem::take(&mut connections.idle);
        connections.open -= idle.len();
        drop(connections);
        drop((broken, idle));
    }

    fn open(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(self.limits.connect_timeout)?;
        connection.set_read_timeout(Some(self.limits.response_timeout))?;
        connection.set_write_timeout(Some(self.limits.response_timeout))?;
        Ok(connection)
    }
}
