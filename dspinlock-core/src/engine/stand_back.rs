//! Taking turns between processes: one that has just had a lock leaves it to those of others that wait for it.

use crate::clock::Tick;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a record is left to others at a time: long enough for one of them to wake up, or to look again, and take it,
/// and short enough to be no loss where all of them have gone.
const REST: Duration = Duration::from_millis(2);

/// The same after long turns, whose pollers look less often.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The records that one client leaves to others at present.
#[derive(Debug, Default)]
pub(crate) struct StandBack {
    records: Mutex<HashMap<String, Left>>,
    /// Whether there are any: with none, giving back costs no look at the map.
    any: AtomicBool,
}

/// How a record is left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Until then it is not touched.
    until: Tick,
    /// Until then, and whenever a turn of another ends, it is left to the next of them for this long.
    fair: Tick,
    rest: Duration,
}

impl Left {
    /// Until then and no longer.
    pub(crate) fn until(then: Tick) -> Self {
        Self { until: then, fair: then, rest: Duration::ZERO }
    }

    /// For a turn of each of the `others` that wait, which are as long as the turn that ends now.
    pub(crate) fn for_turns(others: u64, turn: Duration, now: Tick) -> Self {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let rest = (turn / 4).clamp(REST, LONGEST_REST);
        Self { until: now + rest, fair: now + turn.saturating_mul(others), rest }
    }

    fn is_over(self, now: Tick) -> bool {
        self.until.max(self.fair) <= now
    }
}

impl StandBack {
    fn records(&self) -> MutexGuard<'_, HashMap<String, Left>> {
        // Every change leaves the map whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Leaves this record to others from now on.
    pub(crate) fn begin(&self, record: &str, now: Tick, left: Left) {
        let mut records = self.records();
        // So no more are kept than are left to others at one moment.
        records.retain(|_, left| !left.is_over(now));
        records.insert(record.to_owned(), left);
        self.any.store(true, Ordering::Release);
    }

    /// Nobody else is known to wait for this record.
    pub(crate) fn end(&self, record: &str) {
        if self.is_empty() {
            return;
        }
        let mut records = self.records();
        records.remove(record);
        self.any.store(!records.is_empty(), Ordering::Release);
    }

    /// A turn of another has ended just now: the next may not be ours yet.
    pub(crate) fn turn_passed(&self, record: &str, now: Tick) {
        if !self.is_empty()
            && let Some(left) = self.records().get_mut(record)
        {
            left.until = left.until.max(left.fair.min(now + left.rest));
        }
    }

    /// Until when this record is left to others; `None` if it is not.
    pub(crate) fn ends(&self, record: &str, now: Tick) -> Option<Tick> {
        if self.is_empty() {
            return None;
        }
        self.records().get(record).map(|left| left.until).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NOW: Tick = Tick::from_millis(1_000);

    #[test]
    fn lasts_for_its_time_and_leaves_nothing_behind() {
        let (back, over) = (StandBack::default(), NOW + 2 * MS);
        back.begin("a", NOW, Left::until(over));
        assert_eq!((back.ends("a", NOW), back.ends("b", NOW)), (Some(over), None));
        assert_eq!(back.ends("a", over), None);
        back.begin("b", over, Left::until(over + 2 * MS));
        assert_eq!(back.records().len(), 1, "what is over is swept away");
        back.end("b");
        assert_eq!(back.ends("b", over), None);
    }

    /// Whoever is woken first would otherwise have every second turn, and the last none.
    #[test]
    fn each_other_that_waits_has_a_turn_before_the_next_of_ours() {
        let back = StandBack::default();
        let ends = |after: u32| back.ends("a", NOW + after * MS);
        back.begin("a", NOW, Left::for_turns(2, 5 * MS, NOW));
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
    fn is_longer_after_long_turns_and_short_at_the_most() {
        for (turn, rest) in [(1, 2), (40, 10), (10_000, 20)] {
            let left = Left::for_turns(1, turn * MS, NOW);
            assert_eq!((left.until, left.fair), (NOW + rest * MS, NOW + turn * MS));
        }
        assert!(Left::for_turns(u64::MAX, Duration::MAX, NOW).is_over(NOW + Duration::MAX));
    }
}
