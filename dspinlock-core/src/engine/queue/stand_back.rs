//! Taking turns between processes: one that has just had a lock leaves it to the waiters of others.

use crate::clock::Tick;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How long a process stands back at a time. Long enough for a waiter elsewhere to wake up, or to poll, and take the
/// lock; short enough not to matter if no waiter is left.
const REST: Duration = Duration::from_millis(2);

/// The same after long turns, when pollers look less often.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The records that one client leaves to other processes at present.
#[derive(Debug, Default)]
pub(super) struct StandBack {
    records: Mutex<HashMap<String, Pause>>,
    /// Whether there are any. While there are none, giving back needs no look at the map.
    any: AtomicBool,
}

/// How long a record is left to other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// The record is not touched before then.
    until: Tick,
    /// Whenever a turn of another process ends before then, the record is left to the next one for `rest`.
    fair: Tick,
    rest: Duration,
}

impl Pause {
    /// A pause of one piece.
    pub(super) fn until(then: Tick) -> Self {
        Self { until: then, fair: then, rest: Duration::ZERO }
    }

    /// A turn for each of the `others` that wait, each as long as the turn that ends now.
    pub(super) fn for_turns(others: u64, turn: Duration, now: Tick) -> Self {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let rest = (turn / 4).clamp(REST, LONGEST_REST);
        Self { until: now + rest, fair: now + turn.saturating_mul(others), rest }
    }

    fn is_over(self, now: Tick) -> bool {
        self.until.max(self.fair) <= now
    }
}

impl StandBack {
    fn records(&self) -> MutexGuard<'_, HashMap<String, Pause>> {
        lock(&self.records)
    }

    fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Leaves this record to other processes from now on.
    pub(super) fn begin(&self, record: &str, now: Tick, pause: Pause) {
        let mut records = self.records();
        // Sweeps the map, so that it does not grow with the records of the past.
        records.retain(|_, pause| !pause.is_over(now));
        records.insert(record.to_owned(), pause);
        self.any.store(true, Ordering::Release);
    }

    /// Ends the pause: no other process is known to wait for this record.
    pub(super) fn end(&self, record: &str) {
        if self.is_empty() {
            return;
        }
        let mut records = self.records();
        records.remove(record);
        self.any.store(!records.is_empty(), Ordering::Release);
    }

    /// Notes that a turn of another process has just ended. The next turn may belong to a third process.
    pub(super) fn turn_passed(&self, record: &str, now: Tick) {
        if !self.is_empty()
            && let Some(pause) = self.records().get_mut(record)
        {
            pause.until = pause.until.max(pause.fair.min(now + pause.rest));
        }
    }

    /// Returns until when this record is left to other processes; `None` if it is not.
    pub(super) fn ends(&self, record: &str, now: Tick) -> Option<Tick> {
        if self.is_empty() {
            return None;
        }
        self.records().get(record).map(|pause| pause.until).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NOW: Tick = Tick::from_millis(1_000);

    #[test]
    fn a_pause_lasts_for_its_time_and_leaves_nothing_behind() {
        let (back, over) = (StandBack::default(), NOW + 2 * MS);
        back.begin("a", NOW, Pause::until(over));
        assert_eq!((back.ends("a", NOW), back.ends("b", NOW)), (Some(over), None));
        assert_eq!(back.ends("a", over), None);
        back.begin("b", over, Pause::until(over + 2 * MS));
        assert_eq!(back.records().len(), 1, "a pause that is over is swept away");
        back.end("b");
        assert_eq!(back.ends("b", over), None);
    }

    /// Otherwise the process that is woken first would have every second turn, and the last one none.
    #[test]
    fn each_other_process_has_a_turn_before_the_next_of_ours() {
        let back = StandBack::default();
        let ends = |after: u32| back.ends("a", NOW + after * MS);
        back.begin("a", NOW, Pause::for_turns(2, 5 * MS, NOW));
        assert_eq!(ends(0), Some(NOW + 2 * MS));
        assert_eq!(ends(2), None, "nobody may have come");
        back.turn_passed("a", NOW + 6 * MS);
        assert_eq!(ends(6), Some(NOW + 8 * MS));
        back.turn_passed("a", NOW + 9 * MS);
        assert_eq!(ends(9), Some(NOW + 10 * MS));
        back.turn_passed("a", NOW + 12 * MS);
        assert_eq!(ends(12), None, "it is our turn");
    }

    #[test]
    fn a_rest_is_longer_after_long_turns_and_never_long() {
        for (turn, rest) in [(1, 2), (40, 10), (10_000, 20)] {
            let pause = Pause::for_turns(1, turn * MS, NOW);
            assert_eq!((pause.until, pause.fair), (NOW + rest * MS, NOW + turn * MS));
        }
        assert!(Pause::for_turns(u64::MAX, Duration::MAX, NOW).is_over(NOW + Duration::MAX));
    }
}
