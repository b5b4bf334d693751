//! Connections that the library opens, keeps and replaces.
//!
//! A connection that did not answer in time is replaced, never used again: on a half-open one every command would time
//! out. Every operation is idempotent by its tag, so a command whose reply is missing is sent once more on a new one.

use super::dial::Dialer;
use super::link::{Batch, EndOfEpoch, Exchange, Lane, Limits, Link, OnSwitch, PIECE_LANES, Received};
use super::pool::Pool;
use super::runtimes::Runtimes;
use super::shared::SharedConnection;
use crate::store::Wakeups;
use crate::worker::Worker;
use std::sync::Arc;

/// Connections for the library's own thread, one for each lane, and for callers: of blocking ones each has one of its own, and
/// async ones share those of their runtime. Values never share a connection with locks.
pub(crate) struct Own {
    dialer: Arc<Dialer>,
    wakeups: Wakeups,
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
    pub(crate) fn new(
        dialer: Dialer,
        limits: Limits,
        tracks: bool,
        worker: &Worker,
        wakeups: Wakeups,
    ) -> Self {
        let dialer = Arc::new(dialer);
        let lane = |tracks, wakeups| SharedConnection::new(Arc::clone(&dialer), limits, tracks, wakeups);
        let tracked = || lane(tracks, wakeups.clone());
        // Nobody listens on the others: no change is missed when one is opened again.
        let untracked = || lane(false, Wakeups::default());
        let runtimes = || Runtimes::new(Arc::clone(&dialer), limits, worker.clone());
        let pool = || Pool::new(Arc::clone(&dialer), limits);
        Self {
            shared: tracked(),
            renewals: untracked(),
            confirmed: tracked(),
            values: untracked(),
            copies: tracked(),
            pieces: [untracked(), untracked()],
            locks_of_runtimes: runtimes(),
            values_of_runtimes: runtimes(),
            locks_of_threads: pool(),
            values_of_threads: pool(),
            wakeups,
            dialer,
        }
    }
}

impl Own {
    /// Adds whether the failure of a connection passes by itself.
    fn judged(&self, received: Received) -> Received {
        let passing = received.value.as_ref().err().and_then(|error| self.dialer.passing(error));
        Received { passing, ..received }
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
        Box::pin(async move { self.judged(connection.send(batch, track).await) })
    }

    fn send_here<'a>(&'a self, batch: &'a Batch) -> Option<Exchange<'a>> {
        let connection = match batch.lane {
            Lane::Shared => self.locks_of_runtimes.connection(),
            Lane::Values => self.values_of_runtimes.connection(),
            _ => None,
        };
        connection.map(|connection| {
            Box::pin(async move { self.judged(connection.send(batch).await) }) as Exchange<'a>
        })
    }

    fn send_blocking(&self, batch: &Batch) -> Option<Received> {
        let received = match batch.lane {
            Lane::Shared => self.locks_of_threads.send(batch),
            Lane::Values => self.values_of_threads.send(batch),
            _ => None,
        };
        received.map(|received| self.judged(received))
    }

    fn end_epoch(&self, seen: u64, why: EndOfEpoch) -> bool {
        if !self.dialer.end_epoch(seen, why) {
            return false;
        }
        let Self { shared, renewals, confirmed, values, copies, pieces: [first, second], .. } = self;
        for connection in [shared, renewals, confirmed, values, copies, first, second] {
            connection.close();
        }
        for runtimes in [&self.locks_of_runtimes, &self.values_of_runtimes] {
            runtimes.close();
        }
        for pool in [&self.locks_of_threads, &self.values_of_threads] {
            pool.close_idle();
        }
        // The pushes of the old connections are lost.
        self.wakeups.wake_all();
        true
    }

    fn is_current(&self, epoch: u64) -> bool {
        epoch == self.dialer.epoch()
    }

    fn on_switch(&self, end: OnSwitch) {
        self.dialer.on_switch(end);
    }
}
