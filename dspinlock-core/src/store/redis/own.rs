//! Connections of our own: one that all async callers share, one for renewals, three for values, and a few for blocking callers.
//!
//! A connection that did not answer in time is replaced, never used again: on a half-open one every command would time
//! out. Every operation is idempotent by its tag, so a command whose reply is missing is sent once more on a new one.

use super::pieces::AT_A_TIME;
use super::shared::Line;
use super::{Answer, Lane, Link, Request, Sending, breaks_connection};
use crate::store::Wakeups;
use redis::{Client, Cmd, Connection, RedisResult};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The limits of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    /// How many connections blocking callers open at the most; the others go over the shared one.
    pub(crate) pool_size: usize,
}

/// Connections that the library opens, keeps and replaces.
pub(crate) struct Own {
    client: Client,
    limits: Limits,
    pool: Mutex<Pool>,
    line: Line,
    renewals: Line,
    replicated: Line,
    values: Line,
    pieces: [Line; AT_A_TIME],
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Own {
    /// `tracks` says whether to have the server tell of changes, by `wakeups`.
    ///
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(client: Client, limits: Limits, tracks: bool, wakeups: Wakeups) -> RedisResult<Self> {
        // Each is opened by the first who needs it.
        let line = |tracks, wakeups| Line::new(client.clone(), limits, tracks, wakeups);
        let shared = line(tracks, wakeups.clone())?;
        let replicated = line(tracks, wakeups)?;
        // Nobody listens on these: when one is opened again, no change was missed.
        let deaf = || line(false, Wakeups::default());
        let (renewals, values, pieces) = (deaf()?, deaf()?, [deaf()?, deaf()?]);
        let pool = Mutex::default();
        Ok(Self { limits, pool, line: shared, renewals, replicated, values, pieces, client })
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        // The pool is a list and a count, and both are whole whenever the lock is given up.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for a blocking caller; `None` if all are in use.
    fn check_out(&self) -> Option<RedisResult<Connection>> {
        {
            let mut pool = self.pool();
            if let Some(connection) = pool.idle.pop() {
                return Some(Ok(connection));
            }
            if pool.open >= self.limits.pool_size {
                return None;
            }
            pool.open += 1;
        }
        Some(self.open_in_place())
    }

    /// Opens a connection in a place of the pool that this caller has; on failure it has it no more.
    fn open_in_place(&self) -> RedisResult<Connection> {
        self.open().inspect_err(|_| self.give_place_up())
    }

    fn give_place_up(&self) {
        self.pool().open -= 1;
    }

    fn check_in(&self, connection: Connection) {
        self.pool().idle.push(connection);
    }

    /// Closes a connection that broke, and the idle ones with it: they are as old, and likely as dead. Its place stays
    /// the caller's.
    fn retire(&self, broken: Connection) {
        let mut pool = self.pool();
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

impl Own {
    fn query(&self, connection: &mut Connection, command: &Cmd, lane: Lane) -> Answer {
        let mut answer = Answer::first(command.query(connection));
        if let (Ok(_), Some(confirmation)) = (&answer.value, lane.confirmation(self.limits)) {
            match confirmation.query(connection) {
                Ok(confirmed) => answer.confirmed = Some(confirmed),
                Err(error) => answer.value = Err(error),
            }
        }
        answer
    }
}

impl Link for Own {
    fn send<'a>(&'a self, request: &'a Request, lane: Lane, track: bool) -> Sending<'a> {
        let way = match lane {
            Lane::Shared => &self.line,
            Lane::Renewals => &self.renewals,
            Lane::Replicated(_) => &self.replicated,
            Lane::Values => &self.values,
            Lane::Pieces(number) => &self.pieces[number],
        };
        Box::pin(way.send(request, lane, track))
    }

    fn send_blocking(&self, request: &Request, lane: Lane) -> Option<Answer> {
        // What belongs to values is read on by the library's thread in any case.
        let ([command], false) = (&*request.commands, request.lenient) else { return None };
        let mut opened = self.check_out()?;
        let mut repeated = false;
        loop {
            let mut connection = match opened {
                Ok(connection) => connection,
                Err(error) => return Some(Answer { repeated, ..Answer::first(Err(error)) }),
            };
            let answer = self.query(&mut connection, command, lane);
            if !answer.value.as_ref().is_err_and(breaks_connection) {
                self.check_in(connection);
                return Some(Answer { repeated, ..answer });
            }
            self.retire(connection);
            if repeated {
                self.give_place_up();
                return Some(Answer { repeated, ..answer });
            }
            opened = self.open_in_place();
            repeated = true;
        }
    }
}
