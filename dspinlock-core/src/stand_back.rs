//! Taking turns between processes: one that has just had a lock leaves it to those of others that wait for it.

use crate::clock::Tick;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The records that one client leaves to others at present, and until when.
#[derive(Debug, Default)]
pub(crate) struct StandBack {
    until: Mutex<HashMap<String, Tick>>,
    /// Whether there are any: with none, giving back costs no look at the map.
    any: AtomicBool,
}

impl StandBack {
    fn until(&self) -> MutexGuard<'_, HashMap<String, Tick>> {
        // Every change leaves the map whole.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Leaves this record to others from now until then.
    pub(crate) fn begin(&self, record: &str, now: Tick, then: Tick) {
        let mut until = self.until();
        // So no more are kept than are left to others at one moment.
        until.retain(|_, until| now < *until);
        until.insert(record.to_owned(), then);
        self.any.store(true, Ordering::Release);
    }

    /// Nobody else is known to wait for this record.
    pub(crate) fn end(&self, record: &str) {
        if self.is_empty() {
            return;
        }
        let mut until = self.until();
        until.remove(record);
        self.any.store(!until.is_empty(), Ordering::Release);
    }

    /// Until when this record is left to others; `None` if it is not.
    pub(crate) fn ends(&self, record: &str, now: Tick) -> Option<Tick> {
        if self.is_empty() {
            return None;
        }
        self.until().get(record).copied().filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_for_its_time_and_leaves_nothing_behind() {
        let (back, now, over) = (StandBack::default(), Tick::from_millis(1_000), Tick::from_millis(1_002));
        back.begin("a", now, over);
        assert_eq!((back.ends("a", now), back.ends("b", now)), (Some(over), None));
        assert_eq!(back.ends("a", over), None);
        back.begin("b", over, Tick::from_millis(1_004));
        assert_eq!(back.until().len(), 1, "what is over is swept away");
        back.end("b");
        assert_eq!(back.ends("b", over), None);
    }
}
