//! The local queue: the callers of this process that wait for one lock, first come first served.
//!
//! Only the first of a queue talks to the server. A holder that gives the lock back may hand it off to the first with
//! no round trip, so that many callers of one process cost the server little.
//! [`Hold::hand_off`](crate::engine::hold::Hold) decides how long that may go on.

mod stand_back;
#[cfg(test)]
mod tests;

use crate::clock::Tick;
use crate::engine::grant::Grant;
use crate::engine::spec::Spec;
use crate::sync::lock;
use stand_back::{Pause, StandBack};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// The longest wait for the reply to a release, which says how many other processes wait.
const MAX_REPLY_WAIT: Duration = Duration::from_secs(1);

/// A message to the first of a queue.
#[derive(Debug)]
pub(crate) enum QueueMessage {
    /// Look at the key: this caller is now the first, or the lock was given back.
    Look,
    /// The lock itself.
    Granted(Handoff),
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

    /// Takes the lock. The caller gives it back from now on.
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

/// The queues of one client, by the name of the record.
#[derive(Clone, Default)]
pub(crate) struct Queues(Arc<Inner>);

#[derive(Default)]
struct Inner {
    queues: Mutex<Map>,
    /// How many callers wait in all queues. While it is zero, giving back needs no look at the map.
    waiting: AtomicUsize,
    stand_back: StandBack,
}

type Map = HashMap<String, VecDeque<Arc<Waiter>>>;

/// One caller in a queue, as the others see it.
#[derive(Default)]
struct Waiter {
    message: Mutex<Option<QueueMessage>>,
    sent: Notify,
    /// The lock that this caller takes over; `None` where it wants a value, and a handed-over lock would be no answer.
    takes: Option<Arc<Spec>>,
}

impl Waiter {
    fn send(&self, message: QueueMessage) {
        // Only a `Look` is ever replaced: a waiter that was handed the lock has left the queue, and gets no other
        // message.
        let unread = lock(&self.message).replace(message);
        drop(unread);
        self.sent.notify_one();
    }

    fn read(&self) -> Option<QueueMessage> {
        lock(&self.message).take()
    }
}

impl Queues {
    fn map(&self) -> MutexGuard<'_, Map> {
        lock(&self.0.queues)
    }

    fn is_empty(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) == 0
    }

    /// Returns whether a caller waits for this record, so that the next one has to queue behind it.
    pub(crate) fn has_waiters(&self, record: &str) -> bool {
        !self.is_empty() && self.map().contains_key(record)
    }

    /// Joins the queue. The first caller gets a message to look at once.
    pub(crate) fn join(&self, record: &str, takes: Option<Arc<Spec>>) -> Queued {
        let waiter = Arc::new(Waiter { takes, ..Waiter::default() });
        let mut map = self.map();
        let queue = map.entry(record.to_owned()).or_default();
        queue.push_back(Arc::clone(&waiter));
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        if queue.len() == 1 {
            waiter.send(QueueMessage::Look);
        }
        drop(map);
        Queued { queues: self.clone(), record: record.to_owned(), waiter, has_lock: false }
    }

    /// Hands the lock that `make` returns to the first of the queue; `false` if nobody waits, or `make` returns none.
    pub(crate) fn hand_off(&self, record: &str, make: impl FnOnce(&Arc<Spec>) -> Option<Handoff>) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut map = self.map();
        let Some(first) = map.get(record).and_then(|queue| queue.front().cloned()) else { return false };
        let Some(handoff) = first.takes.as_ref().and_then(make) else { return false };
        if let Some(queue) = map.get_mut(record) {
            queue.pop_front();
            if queue.is_empty() {
                map.remove(record);
            }
        }
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        // Before the message is sent: where the waiter has gone, the hand-off is dropped here, and that looks at the
        // map.
        drop(map);
        first.send(QueueMessage::Granted(handoff));
        true
    }

    /// Returns until when the lock is left to other processes, whose turn it is.
    pub(crate) fn left_to_others(&self, record: &str, now: Tick) -> Option<Tick> {
        self.0.stand_back.ends(record, now)
    }

    /// Has the first of the queue wait while the lock is being given back. The server may wake it, and the waiters of
    /// other processes, before the reply says how many others there are.
    pub(crate) fn pause_first(&self, record: &str) {
        if self.has_waiters(record) {
            let now = Tick::now();
            self.0.stand_back.begin(record, now, Pause::until(now + MAX_REPLY_WAIT));
        }
    }

    /// Notes that another process has given the lock back. The next turn may belong to a third process.
    pub(crate) fn turn_passed(&self, record: &str) {
        self.0.stand_back.turn_passed(record, Tick::now());
    }

    /// Tells the first of the queue to look: the lock was given back after a turn of this length, or is lost. If
    /// `others` wait in other processes, their turns come first.
    pub(crate) fn wake_first(&self, record: &str, others: u64, turn: Duration) {
        if others > 0 {
            let now = Tick::now();
            self.0.stand_back.begin(record, now, Pause::for_turns(others, turn, now));
        } else {
            self.0.stand_back.end(record);
        }
        if self.is_empty() {
            return;
        }
        if let Some(first) = self.map().get(record).and_then(VecDeque::front) {
            first.send(QueueMessage::Look);
        }
    }

    /// Tells the first of every queue to look: the client was shut down.
    pub(crate) fn wake_each_first(&self) {
        self.map().values().filter_map(VecDeque::front).for_each(|first| first.send(QueueMessage::Look));
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").field("waiting", &self.0.waiting).finish()
    }
}

/// One caller in a queue, as it sees itself. Dropped, it leaves the queue and the next one moves up.
pub(crate) struct Queued {
    queues: Queues,
    record: String,
    waiter: Arc<Waiter>,
    has_lock: bool,
}

impl Queued {
    /// Waits for a message.
    pub(crate) async fn message(&self) -> QueueMessage {
        loop {
            if let Some(message) = self.waiter.read() {
                return message;
            }
            self.waiter.sent.notified().await;
        }
    }

    /// The lock, if it was handed over by now. Call it before looking at the key: a message to do so is used up.
    pub(crate) fn handoff(&self) -> Option<Handoff> {
        match self.waiter.read() {
            Some(QueueMessage::Granted(handoff)) => Some(handoff),
            Some(QueueMessage::Look) | None => None,
        }
    }

    /// Leaves the queue with the lock held. The next one gets its message when the lock is given back.
    pub(crate) fn leave_with_lock(mut self) {
        self.has_lock = true;
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut map = self.queues.map();
        if let Some(queue) = map.get_mut(&self.record) {
            let was_first = queue.front().is_some_and(|first| Arc::ptr_eq(first, &self.waiter));
            let before = queue.len();
            queue.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
            self.queues.0.waiting.fetch_sub(before - queue.len(), Ordering::AcqRel);
            match queue.front() {
                None => drop(map.remove(&self.record)),
                Some(next) if was_first && !self.has_lock => next.send(QueueMessage::Look),
                Some(_) => {}
            }
        }
        drop(map);
        // A lock that was handed over and not taken goes to the next one, when the hand-off is dropped.
        drop(self.waiter.read());
    }
}
