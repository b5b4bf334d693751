//! Time limits for futures on any executor, or on none. The library's own thread wakes them.
//!
//! The timers of a caller's runtime are no help: they may be switched off, moved by a test, or stand still while the
//! runtime is idle or busy.

use crate::clock::Tick;
use crate::sync::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;

/// How long the task goes on without a timer. To start it costs a wake-up of its thread, which callers that come back soon
/// are spared.
const LINGER: Duration = Duration::from_secs(1);

/// The timers of one thread of the library.
#[derive(Clone, Default)]
pub(crate) struct Timers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    schedule: Mutex<Schedule>,
    /// Notified when a timer is due before the task would wake up.
    sooner: Notify,
}

#[derive(Default)]
struct Schedule {
    due: BTreeMap<Entry, Waker>,
    /// How many timers there were so far, and how many of them the task has seen.
    number: u64,
    seen: u64,
    /// When the task wakes up; `None` while there is no task.
    wakes: Option<Tick>,
}

/// A timer: when it is due, and a number that tells those of one moment apart.
type Entry = (Tick, u64);

impl Timers {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.0.schedule)
    }

    /// Adds a timer. `start` starts the task that [runs](Self::run) this, if it is not running.
    pub(crate) fn add(&self, at: Tick, waker: Waker, start: impl FnOnce()) -> Timer {
        let mut schedule = self.schedule();
        let entry = (at, schedule.number);
        schedule.number += 1;
        schedule.due.insert(entry, waker);
        let is_awake_by_then = schedule.wakes.is_some_and(|wakes| wakes <= at);
        let is_running = is_awake_by_then || schedule.wakes.replace(at).is_some();
        drop(schedule);
        if !is_running {
            start();
        } else if !is_awake_by_then {
            self.0.sooner.notify_one();
        }
        Timer { timers: self.clone(), entry }
    }

    /// Wakes what is due, until there has been no timer for a while.
    pub(crate) async fn run(self) {
        loop {
            let now = Tick::now();
            let (due, wakes) = self.schedule().take_due(now);
            due.into_values().for_each(Waker::wake);
            let Some(wakes) = wakes else { return };
            // Check again after either.
            let _ = tokio::time::timeout(now.until(wakes), self.0.sooner.notified()).await;
        }
    }
}

impl Schedule {
    /// Takes the timers that are due, and says when to look again; `None` to end the task.
    fn take_due(&mut self, now: Tick) -> (BTreeMap<Entry, Waker>, Option<Tick>) {
        let later = self.due.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.due, later);
        let is_quiet = self.number == std::mem::replace(&mut self.seen, self.number);
        let next = self.due.first_key_value().map(|(&(at, _), _)| at);
        self.wakes = next.or((!is_quiet).then_some(now + LINGER));
        (due, self.wakes)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("due", &self.schedule().due.len()).finish()
    }
}

/// A timer that is not due yet. Dropped, it wakes nobody.
pub(crate) struct Timer {
    timers: Timers,
    entry: Entry,
}

impl Timer {
    /// Has the timer wake this waker instead.
    pub(crate) fn wakes(&self, waker: &Waker) {
        if let Some(known) = self.timers.schedule().due.get_mut(&self.entry) {
            known.clone_from(waker);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.timers.schedule().due.remove(&self.entry);
        // After the lock: the waker belongs to somebody else's executor.
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    #[test]
    fn only_timers_that_are_due_are_taken() {
        let timers = Timers::default();
        let (woken, mut started) = (Arc::new(Count::default()), 0);
        let mut add = |millis| timers.add(at(millis), woken.clone().into(), || started += 1);
        let (_first, second, _third) = (add(10), add(20), add(30));
        drop(second);
        assert_eq!(started, 1, "one task runs for all");
        let (due, wakes) = timers.schedule().take_due(at(20));
        assert_eq!((due.len(), wakes), (1, Some(at(30))));
    }

    #[test]
    fn the_task_ends_after_a_time_without_timers() {
        let timers = Timers::default();
        let woken = Arc::new(Count::default());
        let mut started = 0;
        drop(timers.add(at(10), woken.clone().into(), || started += 1));
        let lingers = timers.schedule().take_due(at(10)).1;
        assert_eq!(lingers, Some(at(10) + LINGER));
        drop(timers.add(at(10) + LINGER, woken.clone().into(), || started += 1));
        assert!(timers.schedule().take_due(at(10) + LINGER).1.is_some(), "there was one meanwhile");
        assert_eq!(started, 1);
        assert!(timers.schedule().take_due(at(10) + LINGER * 2).1.is_none());
        drop(timers.add(at(10), woken.into(), || started += 1));
        assert_eq!(started, 2);
    }

    #[test]
    fn a_timer_wakes_the_last_waker_it_was_given() {
        let timers = Timers::default();
        let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let timer = timers.add(at(10), first.clone().into(), || {});
        timer.wakes(&last.clone().into());
        timers.schedule().take_due(at(10)).0.into_values().for_each(Waker::wake);
        assert_eq!((first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)), (0, 1));
    }
}
