//! The clock of the memory store: that of this machine, or one that a test has moved ahead of it.

use crate::clock::{ServerTime, Tick};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The moment of an operation: on the steady clock, by which entries expire, and on the clock that is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) tick: Tick,
    pub(crate) server: ServerTime,
}

/// Its clones show the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time {
    /// How far it is ahead of this machine's clocks, in microseconds.
    ahead: Arc<AtomicU64>,
}

impl Time {
    /// What it shows while this machine's steady clock shows `tick`.
    pub(super) fn at(&self, tick: Tick) -> Now {
        let ahead = Duration::from_micros(self.ahead.load(Ordering::Acquire));
        Now { tick: tick + ahead, server: ServerTime::of_this_machine() + ahead }
    }

    pub(crate) fn now(&self) -> Now {
        self.at(Tick::now())
    }

    /// Moves it ahead. It never goes back.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let moved = |ahead: u64| Some(ahead.saturating_add(by));
        // The closure always returns something.
        let _ = self.ahead.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }
}
