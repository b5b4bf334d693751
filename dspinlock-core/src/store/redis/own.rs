//! Connections that the library opens, keeps and replaces.
//!
//! A connection that did not answer in time is replaced, never used again: on a half-open one every command would time
//! out. Every operation is idempotent by its tag, so a command whose reply is missing is sent once more on a new one.

use super::link::{Batch, Exchange, Lane, Limits, Link, PIECE_LANES, Received};
use super::pool::Pool;
use super::runtimes::Runtimes;
use super::shared::SharedConnection;
use crate::store::Wakeups;
use crate::worker::Worker;
use redis::{Client, RedisResult};

/// Connections for the library's own thread, one for each lane, and for callers: of blocking ones each has one of its own, and
/// async ones share those of their runtime. Values never share a connection with locks.
pub(crate) struct Own {
    shared: SharedConnection,
    renewals: SharedConnection,
    confirmed: SharedConnection,
    values: SharedConnection,
    copies: SharedConnection,
    pieces: [SharedConnection; PIECE_LANES],
    locks_of_runtimes: Runtimes,
    values_of_runtimes: Runtimes,
    locks_of_threads: Pool,
    values_of_threads: Pool,
}

impl Own {
    /// With `tracks` the server is asked to push changes, which are notified to `wakeups`.
    ///
    /// # Errors
    ///
    /// If the client's own address can't be used.
    pub(crate) fn new(
        client: Client,
        limits: Limits,
        tracks: bool,
        worker: &Worker,
        wakeups: Wakeups,
    ) -> RedisResult<Self> {
        let lane = |tracks, wakeups| SharedConnection::new(client.clone(), limits, tracks, wakeups);
        let shared = lane(tracks, wakeups.clone())?;
        let confirmed = lane(tracks, wakeups.clone())?;
        let copies = lane(tracks, wakeups)?;
        // Nobody listens on the others: no change is missed when one is opened again.
        let untracked = || lane(false, Wakeups::default());
        let runtimes = || Runtimes::new(client.clone(), limits, worker.clone());
        Ok(Self {
            shared,
            renewals: untracked()?,
            confirmed,
            values: untracked()?,
            copies,
            pieces: [untracked()?, untracked()?],
            locks_of_runtimes: runtimes(),
            values_of_runtimes: runtimes(),
            locks_of_threads: Pool::new(client.clone(), limits),
            values_of_threads: Pool::new(client, limits),
        })
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

    fn send_here<'a>(&'a self, batch: &'a Batch) -> Option<Exchange<'a>> {
        let connection = match batch.lane {
            Lane::Shared => self.locks_of_runtimes.connection(),
            Lane::Values => self.values_of_runtimes.connection(),
            _ => None,
        };
        connection.map(|connection| Box::pin(connection.send(batch)) as Exchange<'a>)
    }

    fn send_blocking(&self, batch: &Batch) -> Option<Received> {
        match batch.lane {
            Lane::Shared => self.locks_of_threads.send(batch),
            Lane::Values => self.values_of_threads.send(batch),
            _ => None,
        }
    }
}
