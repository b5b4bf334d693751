//! How an attempt waits: in the local queue, for its next request to be due, and for the turns of other processes.

use super::{Attempt, Outcome, Place, Progress, Slept};
use crate::clock::Tick;
use crate::engine::guard::Guard;
use crate::engine::probe::Event;
use crate::engine::queue::{Handoff, QueueMessage, Queued};
use crate::engine::spec::Spec;
use crate::engine::spin::Refusal;
use crate::error::{ErrorKind, Result};
use crate::store::Listener;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::timeout;

impl Attempt {
    /// Returns whether other callers of this process may wait as well, so that this one has to queue with them.
    pub(super) fn has_to_queue(&self) -> bool {
        // Even a zero budget makes one attempt.
        let has_time = self.spin.patience().is_some_and(|deadline| Tick::now() < deadline);
        let has_waiters = || self.core.queues.has_waiters(&self.spec.names.record);
        has_time && (self.attempts > 0 || has_waiters() || self.stands_back().is_some())
    }

    /// Joins the local queue, and tells the other calls of this process that this one waits.
    ///
    /// # Errors
    ///
    /// `Misuse` if it would wait for itself, or for another process: that of which this one is a fork.
    pub(super) fn join(&mut self) -> Result<Place> {
        self.waiting.begin(&self.spec.subject);
        self.core.worker.check_here().map_err(|error| self.spec.name(error))?;
        let waiting = self.caller.upgrade().map(|caller| caller.wait_for_lock()).transpose();
        let waiting = waiting.map_err(|error| error.with_effort(self.waited(), self.attempts))?;
        self.core.tell(&self.spec, Event::Waits);
        let queued = self.core.queues.join(&self.spec.names.record, self.takes_over());
        Ok(Place { queued, _waiting: waiting })
    }

    /// The lock that this caller takes over from another one of this process; `None` if it wants a value.
    fn takes_over(&self) -> Option<Arc<Spec>> {
        self.spin.relocks().then(|| Arc::clone(&self.spec))
    }

    /// Waits until this caller is the first of the queue, or has the lock handed over, which it then returns.
    pub(super) async fn until_first(&self, queued: &Queued) -> Result<Option<Guard>> {
        self.check_open()?;
        let deadline = self.spin.patience().unwrap_or(self.started);
        // A message that is there already is read even with no time left.
        match self.core.worker.limit(deadline, queued.message()).await {
            Some(QueueMessage::Granted(handoff)) => Ok(Some(self.take_over(handoff))),
            Some(QueueMessage::Look) => Ok(None),
            None => Err(self.refuse(Refusal::Contended(None))),
        }
    }

    /// Sleeps until the next request is due, a wake-up comes, or the lock is handed over.
    pub(super) async fn until_due(&self, listener: Option<&mut Listener>, queued: Option<&Queued>) -> Slept {
        let listens = listener.is_some();
        let mut handoff = sleep(self.next.at, listener, queued).await;
        let woken = listens && Tick::now() < self.next.at;
        if woken {
            self.core.queues.turn_passed(&self.spec.names.record);
        }
        while handoff.is_none()
            && let Some(until) = self.stands_back()
        {
            handoff = sleep(until, None, queued).await;
        }
        match handoff {
            Some(handoff) => Slept::HandedOver(self.take_over(handoff)),
            None if woken => Slept::Woken,
            None => Slept::Due,
        }
    }

    /// Returns until when this caller leaves the lock to other processes, whose turn it is.
    fn stands_back(&self) -> Option<Tick> {
        let (now, deadline) = (Tick::now(), self.spin.patience()?);
        // Reading a value needs no turn-taking.
        if !self.spin.relocks() || now >= deadline {
            return None;
        }
        let until = self.core.queues.left_to_others(&self.spec.names.record, now)?;
        Some(until.min(deadline))
    }

    /// Enters instead of giving up, if the lock was handed over while the server was asked.
    pub(super) fn unless_handed_over(
        &self,
        progress: Result<Progress>,
        queued: Option<&Queued>,
    ) -> Result<Progress> {
        match progress {
            Err(error) if error.kind() == ErrorKind::Contended || error.passes() => {
                match queued.and_then(Queued::handoff) {
                    Some(handoff) => Ok(Progress::Done(Outcome::Entered(self.take_over(handoff)))),
                    None => Err(error),
                }
            }
            progress => progress,
        }
    }

    /// The guard of a lock that was handed over. Nothing can be dropped between the two.
    fn take_over(&self, handoff: Handoff) -> Guard {
        let guard = Guard::new(&self.core, handoff.take());
        tracing::debug!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function, fence = guard.fencing_token(),
            attempts = self.attempts, waited = ?self.waited(), "entered: handed over by another caller of this process"
        );
        guard
    }
}

/// Sleeps until `at`, or until a message or a wake-up comes. Returns the lock if it was handed over, also with no time
/// left.
pub(super) async fn sleep(
    at: Tick,
    listener: Option<&mut Listener>,
    queued: Option<&Queued>,
) -> Option<Handoff> {
    let rest = Tick::now().until(at);
    if rest.is_zero() {
        return queued.and_then(Queued::handoff);
    }
    let (mut message, mut changed) = (pin!(message(queued)), pin!(changed(listener)));
    let woken = poll_fn(|context| match message.as_mut().poll(context) {
        Poll::Ready(message) => Poll::Ready(Some(message)),
        Poll::Pending => changed.as_mut().poll(context).map(|()| None),
    });
    match timeout(rest, woken).await {
        Ok(Some(QueueMessage::Granted(handoff))) => Some(handoff),
        Ok(Some(QueueMessage::Look) | None) | Err(_) => None,
    }
}

async fn message(queued: Option<&Queued>) -> QueueMessage {
    match queued {
        Some(queued) => queued.message().await,
        None => pending().await,
    }
}

async fn changed(listener: Option<&mut Listener>) {
    match listener {
        Some(listener) => listener.changed().await,
        None => pending().await,
    }
}
