//! The local queue: the callers in this process that wait for one lock stand in line, first come first served.
//!
//! Only the first of a line talks to the server. Who gives the lock back may hand it on to the first with no round trip,
//! so that many callers of one process cost the server little; how long that may go on is decided by
//! [`Hold::hand_on`](crate::engine::hold::Hold::hand_on).

use crate::clock::Tick;
use crate::engine::grant::Grant;
use crate::engine::spec::Spec;
use crate::engine::stand_back::{Left, StandBack};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a process that gives a lock back waits at the most to be told whether others wait for it.
const UNTIL_TOLD: Duration = Duration::from_secs(1);

/// What somebody in line is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// Look at the key: this caller is the first now, or the lock was given back.
    Look,
    /// The lock, from hand to hand.
    Given(Handoff),
}

/// A lock on its way from one caller of this process to the next. Dropped before it is taken, it is given back.
pub(crate) struct Handoff {
    grant: Arc<Grant>,
    give_back: Option<Box<dyn FnOnce(Arc<Grant>) + Send>>,
}

impl Handoff {
    pub(crate) fn new(grant: Arc<Grant>, give_back: impl FnOnce(Arc<Grant>) + Send + 'static) -> Self {
        Self { grant, give_back: Some(Box::new(give_back)) }
    }

    /// The lock is the caller's.
    pub(crate) fn take(mut self) -> Arc<Grant> {
        self.give_back = None;
        Arc::clone(&self.grant)
    }
}

impl Drop for Handoff {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            give_back(Arc::clone(&self.grant));
        }
    }
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handoff").field("fence", &self.grant.fence).finish_non_exhaustive()
    }
}

/// The lines of one client.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Map>,
    /// How many callers stand in all lines: with none, giving back costs no look at the map.
    waiting: AtomicUsize,
    stand_back: StandBack,
}

type Map = HashMap<String, VecDeque<Arc<Seat>>>;

#[derive(Default)]
struct Seat {
    word: Mutex<Option<Word>>,
    told: Notify,
    /// The lock that this caller takes, whatever was computed; `None` where it wants a value.
    takes: Option<Arc<Spec>>,
}

impl Seat {
    fn word(&self) -> MutexGuard<'_, Option<Word>> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, word: Word) {
        // What was said before, and not heard, is a word to look, which this one says as well: who was handed the lock is
        // in line no more, and is told nothing after that.
        let unheard = self.word().replace(word);
        drop(unheard);
        self.told.notify_one();
    }
}

impl Lines {
    fn map(&self) -> MutexGuard<'_, Map> {
        // Every change leaves the map whole.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) == 0
    }

    /// Whether somebody waits for this record: who comes now has to stand in line.
    pub(crate) fn is_waited_for(&self, record: &str) -> bool {
        !self.is_empty() && self.map().contains_key(record)
    }

    /// Joins the line. The first is told to look at once.
    pub(crate) fn join(&self, record: &str, takes: Option<Arc<Spec>>) -> Place {
        let seat = Arc::new(Seat { takes, ..Seat::default() });
        let mut map = self.map();
        let line = map.entry(record.to_owned()).or_default();
        line.push_back(Arc::clone(&seat));
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        if line.len() == 1 {
            seat.tell(Word::Look);
        }
        drop(map);
        Place { lines: self.clone(), record: record.to_owned(), seat, seated: false }
    }

    /// Hands the lock that `make` makes to the first in line; `false` if nobody is there for whom it makes one.
    pub(crate) fn hand_on(&self, record: &str, make: impl FnOnce(&Arc<Spec>) -> Option<Handoff>) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut map = self.map();
        let first = map.get(record).and_then(|line| line.front().cloned());
        let Some(first) = first else { return false };
        let Some(handoff) = first.takes.as_ref().and_then(make) else { return false };
        if let Some(line) = map.get_mut(record) {
            line.pop_front();
            if line.is_empty() {
                map.remove(record);
            }
        }
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        drop(map);
        first.tell(Word::Given(handoff));
        true
    }

    /// Until when the lock is left to other processes, whose turn it is.
    pub(crate) fn left_to_others(&self, record: &str, now: Tick) -> Option<Tick> {
        self.0.stand_back.ends(record, now)
    }

    /// Has the first in line wait while the lock is being given back: the server may wake it, and all others, before the
    /// reply tells whether there are others.
    pub(crate) fn hold_first(&self, record: &str) {
        if self.is_waited_for(record) {
            let now = Tick::now();
            self.0.stand_back.begin(record, now, Left::until(now + UNTIL_TOLD));
        }
    }

    /// Another process has given the lock back: it may be the turn of a third.
    pub(crate) fn turn_passed(&self, record: &str) {
        self.0.stand_back.turn_passed(record, Tick::now());
    }

    /// Tells the first in line to look: the lock was given back, after a turn that took so long, or is lost. Where other
    /// processes wait, it is their turn.
    pub(crate) fn call_first(&self, record: &str, others: u64, turn: Duration) {
        if others > 0 {
            let now = Tick::now();
            self.0.stand_back.begin(record, now, Left::for_turns(others, turn, now));
        } else {
            self.0.stand_back.end(record);
        }
        if self.is_empty() {
            return;
        }
        if let Some(first) = self.map().get(record).and_then(VecDeque::front) {
            first.tell(Word::Look);
        }
    }

    /// Tells the first of every line to look: the client was shut down.
    pub(crate) fn call_all(&self) {
        self.map().values().filter_map(VecDeque::front).for_each(|first| first.tell(Word::Look));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("waiting", &self.0.waiting).finish()
    }
}

/// A place in a line. Given up, the next one moves up.
pub(crate) struct Place {
    lines: Lines,
    record: String,
    seat: Arc<Seat>,
    seated: bool,
}

impl Place {
    /// Waits for word.
    pub(crate) async fn word(&self) -> Word {
        loop {
            if let Some(word) = self.seat.word().take() {
                return word;
            }
            self.seat.told.notified().await;
        }
    }

    /// Leaves the line with the lock in hand: the next one is called when it is given back.
    pub(crate) fn leave_with_lock(mut self) {
        self.seated = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut map = self.lines.map();
        if let Some(line) = map.get_mut(&self.record) {
            let was_first = line.front().is_some_and(|first| Arc::ptr_eq(first, &self.seat));
            let before = line.len();
            line.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            self.lines.0.waiting.fetch_sub(before - line.len(), Ordering::AcqRel);
            match line.front() {
                None => drop(map.remove(&self.record)),
                Some(next) if was_first && !self.seated => next.tell(Word::Look),
                Some(_) => {}
            }
        }
        drop(map);
        // A lock that was handed over and not taken goes on to the next, by the hand-off's own drop.
        let unheard = self.seat.word().take();
        drop(unheard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::guard::Guard;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const TURN: Duration = Duration::from_millis(1);

    fn heard(place: &Place) -> Option<Word> {
        match pin!(place.word()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(word) => Some(word),
            Poll::Pending => None,
        }
    }

    fn is_called(place: &Place) -> bool {
        matches!(heard(place), Some(Word::Look))
    }

    fn a_guard() -> Guard {
        crate::Client::memory().lock("handed on").acquire_blocking().unwrap()
    }

    fn handoff(guard: Guard) -> Handoff {
        Handoff::new(Arc::clone(guard.grant()), move |_| drop(guard))
    }

    /// Joins the line for the lock itself.
    fn join(lines: &Lines) -> Place {
        let spec = Arc::clone(&a_guard().grant().spec);
        lines.join("r", Some(spec))
    }

    #[test]
    fn only_the_first_is_called_and_the_next_moves_up() {
        let lines = Lines::default();
        let (first, second) = (join(&lines), join(&lines));
        assert!(is_called(&first) && heard(&second).is_none());
        lines.call_first("r", 1, TURN);
        assert!(is_called(&first) && heard(&second).is_none());
        drop(first);
        assert!(is_called(&second));
        drop(second);
        assert!(!lines.is_waited_for("r") && lines.is_empty());
    }

    #[test]
    fn a_lock_is_left_to_others_once_they_are_known_to_wait_and_until_that_is_known() {
        let lines = Lines::default();
        let left = |lines: &Lines| lines.left_to_others("r", Tick::now()).is_some();
        lines.hold_first("r");
        assert!(!left(&lines), "nobody is there whom the server could wake");
        let first = join(&lines);
        lines.hold_first("r");
        assert!(left(&lines));
        lines.call_first("r", 0, TURN);
        assert!(!left(&lines));
        drop(first);
        lines.call_first("r", 1, TURN);
        assert!(lines.left_to_others("r", Tick::now()).is_some_and(|until| until <= Tick::now() + 2 * TURN));
        assert!(lines.left_to_others("other", Tick::now()).is_none());
    }

    #[test]
    fn the_lock_goes_from_hand_to_hand_in_order() {
        let lines = Lines::default();
        let places = [join(&lines), join(&lines)];
        assert!(is_called(&places[0]));
        for place in &places {
            assert!(lines.hand_on("r", |_| Some(handoff(a_guard()))));
            assert!(matches!(heard(place), Some(Word::Given(_))));
        }
        assert!(!lines.hand_on("r", |_| Some(handoff(a_guard()))) && lines.is_empty());
    }

    #[test]
    fn a_call_that_meets_a_hand_over_does_not_take_the_lock_away() {
        for _ in 0..200 {
            let (lines, handed_on) = (Lines::default(), AtomicUsize::new(0));
            let places = [join(&lines), join(&lines)];
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    while handed_on.load(Ordering::SeqCst) == 0 {
                        lines.call_first("r", 0, TURN);
                        lines.call_all();
                    }
                });
                assert!(lines.hand_on("r", |_| Some(handoff(a_guard()))));
                handed_on.store(1, Ordering::SeqCst);
            });
            assert!(matches!(heard(&places[0]), Some(Word::Given(_))));
        }
    }

    #[test]
    fn who_wants_a_value_is_not_handed_the_lock() {
        let lines = Lines::default();
        let _place = lines.join("r", None);
        assert!(!lines.hand_on("r", |_| unreachable!("nobody takes it")));
    }

    #[test]
    fn leaving_from_anywhere_keeps_the_order() {
        let lines = Lines::default();
        let (first, second, third) = (join(&lines), join(&lines), join(&lines));
        assert!(is_called(&first));
        drop(second);
        assert!(heard(&third).is_none(), "the first is still there");
        first.leave_with_lock();
        assert!(heard(&third).is_none(), "the lock is held");
        lines.call_first("r", 0, TURN);
        assert!(is_called(&third));
    }

    #[test]
    fn a_lock_handed_to_one_who_has_gone_is_given_back() {
        let client = crate::Client::memory();
        let lines = Lines::default();
        let place = join(&lines);
        assert!(lines.hand_on("r", |_| client.lock("k").acquire_blocking().ok().map(handoff)));
        drop(place);
        client.lock("k").acquire_blocking().unwrap().release_blocking().unwrap();
    }
}
