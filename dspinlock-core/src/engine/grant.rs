//! A grant: the lease and the fencing token of one holder, and whether it still holds the lock. Also the turn, which
//! several holders of this process may share.

use crate::clock::Tick;
use crate::engine::lease::Lease;
use crate::engine::spec::Spec;
use crate::format::record::Tag;
use crate::observe::Holding;
use crate::sync::lock;
use crate::worker::check_process;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// The longest sleep of a wait for a loss. Timers stand still while the machine is suspended, and the lease does not.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Held, as long as the lease is valid.
const HELD: u8 = 0;
/// Lost: the record is no longer ours, or the server has not renewed the lease in time.
const LOST: u8 = 1;
/// Given back by the holder, or on the way back.
const OVER: u8 = 2;
/// Given back by a shutdown of the client, or on the way back.
const REVOKED: u8 = 3;

/// The turn goes on: a caller has the lock, or is being handed it.
const ON: u8 = 0;
/// The lock is being given back; the server has not answered yet.
const ENDING: u8 = 1;
/// The server has answered, or the lease has ended meanwhile.
const ENDED: u8 = 2;

/// The grant of one holder. Its guards and handles share it with the renewer.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) spec: Arc<Spec>,
    /// The tag of the turn; `None` where a body runs without the lock.
    pub(crate) tag: Option<Tag>,
    pub(crate) fence: u64,
    pub(crate) turn: Arc<TurnState>,
    /// How many more holders this turn may have.
    pub(crate) handoffs: u32,
    /// When the granted request was sent, or when the lock was handed over.
    granted: Tick,
    /// How far a test has moved the clock since then, in nanoseconds.
    passed: AtomicU64,
    lease: Mutex<Lease>,
    /// When the renewer will renew the lease.
    renewal: Mutex<Option<Tick>>,
    phase: AtomicU8,
    /// Notified when the phase changes.
    changed: Notify,
    pub(crate) holding: Holding,
}

impl Grant {
    /// The grant of a request that this `process` sent at `sent`, with `handoffs` fencing tokens reserved after its own.
    pub(crate) fn new(
        process: u32,
        spec: Arc<Spec>,
        tag: Tag,
        fence: u64,
        sent: Tick,
        handoffs: u32,
    ) -> Self {
        let lease = Lease::granted(spec.options.lease, spec.options.max_block, sent);
        let turn = Arc::new(TurnState::new(process, sent));
        let holding = Holding::begin(&spec.subject, sent);
        Self { tag: Some(tag), fence, handoffs, holding, ..Self::of_turn(turn, spec, sent, lease) }
    }

    /// The grant of a body that runs without the lock: never held, never renewed, with nothing to give back.
    pub(crate) fn unlocked(spec: Arc<Spec>) -> Self {
        let now = Tick::now();
        let lease = Lease::granted(Duration::ZERO, Duration::ZERO, now);
        let turn = Arc::new(TurnState::new(0, now));
        Self { phase: AtomicU8::new(OVER), ..Self::of_turn(turn, spec, now, lease) }
    }

    /// The grant of the next holder in this turn, with the next of the reserved fencing tokens.
    pub(crate) fn handed_off(&self, spec: Arc<Spec>, now: Tick) -> Self {
        let lease = self.lease().handed_off(spec.options.max_block, now);
        let (tag, fence, handoffs) = (self.tag.clone(), self.fence + 1, self.handoffs - 1);
        let holding = Holding::begin(&spec.subject, now);
        Self { tag, fence, handoffs, holding, ..Self::of_turn(Arc::clone(&self.turn), spec, now, lease) }
    }

    /// A grant without a tag, a fencing token and reserved ones.
    fn of_turn(turn: Arc<TurnState>, spec: Arc<Spec>, granted: Tick, lease: Lease) -> Self {
        Self {
            spec,
            tag: None,
            fence: 0,
            turn,
            handoffs: 0,
            granted,
            passed: AtomicU64::new(0),
            lease: Mutex::new(lease),
            renewal: Mutex::new(None),
            phase: AtomicU8::new(HELD),
            changed: Notify::new(),
            holding: Holding::none(),
        }
    }

    /// The lease as it is now. A copy, so that no caller keeps the mutex locked.
    pub(crate) fn lease(&self) -> Lease {
        *lock(&self.lease)
    }

    /// Extends the lease by a renewal; see [`Lease::renewed`].
    pub(crate) fn renewed(&self, life: Duration, sent: Tick) -> bool {
        lock(&self.lease).renewed(life, sent, Tick::now())
    }

    /// Notes when the renewer will renew the lease, and returns what was noted before.
    pub(crate) fn set_renewal(&self, at: Option<Tick>) -> Option<Tick> {
        std::mem::replace(&mut *lock(&self.renewal), at)
    }

    /// Returns how long ago the lock was granted.
    pub(crate) fn held_for(&self) -> Duration {
        (Tick::now() - self.granted) + Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }

    /// Takes in that so much time has passed at once: a test has moved the clock.
    pub(crate) fn pass(&self, time: Duration) {
        self.passed.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        lock(&self.lease).pass(time);
        self.changed.notify_waiters();
    }

    /// Returns how long the record stays COMPUTED if the lock is released now; `None` to remove the record.
    pub(crate) fn expire(&self) -> Option<Duration> {
        let expire = self.spec.options.expire?;
        if !self.spec.expire_from_grant {
            return Some(expire);
        }
        expire.checked_sub(self.held_for()).filter(|rest| !rest.is_zero())
    }

    pub(crate) fn is_held(&self) -> bool {
        // In a fork, this is a copy: the lock belongs to the parent.
        self.phase.load(Ordering::Acquire) == HELD
            && self.lease().is_valid(Tick::now())
            && check_process(self.turn.process).is_ok()
    }

    /// Returns whether the lock was given back, or is on the way back.
    pub(crate) fn is_over(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= OVER
    }

    /// Returns whether a shutdown gave the lock back while its holder still had it.
    pub(crate) fn is_revoked(&self) -> bool {
        self.phase.load(Ordering::Acquire) == REVOKED
    }

    /// Waits until the lock is no longer known to be held. Call it on the library's I/O thread.
    pub(crate) async fn until_lost(&self) {
        loop {
            // Before the check, so that no change is missed in between.
            let changed = self.changed.notified();
            if !self.is_held() {
                return;
            }
            let rest = self.lease().remaining(Tick::now());
            // Check again after either.
            let _ = tokio::time::timeout(rest.min(LOOK_AGAIN), changed).await;
        }
    }

    /// Marks the lock as lost; `false` if it was lost or given back before.
    pub(crate) fn lose(&self) -> bool {
        let lost = self.phase.compare_exchange(HELD, LOST, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if lost {
            self.changed.notify_waiters();
        }
        lost
    }

    /// Marks the lock as given back by its holder; `false` if it was given back before.
    pub(crate) fn end(&self) -> bool {
        self.end_as(OVER)
    }

    /// Marks the lock as given back by a shutdown; `false` if it was given back before.
    pub(crate) fn revoke(&self) -> bool {
        self.end_as(REVOKED)
    }

    fn end_as(&self, phase: u8) -> bool {
        let ended = |before| (before < OVER).then_some(phase);
        let first = self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, ended).is_ok();
        if first {
            self.changed.notify_waiters();
        }
        first
    }
}

/// A turn: what the server granted for one tag. This process may pass it from holder to holder.
#[derive(Debug)]
pub(crate) struct TurnState {
    /// When the granted request was sent.
    pub(crate) granted: Tick,
    /// The process that has it.
    process: u32,
    stage: AtomicU8,
    ended: Notify,
}

impl TurnState {
    fn new(process: u32, granted: Tick) -> Self {
        Self { granted, process, stage: AtomicU8::new(ON), ended: Notify::new() }
    }

    /// Notes that the lock is on its way back. Nobody is handed it from now on.
    pub(crate) fn begin_to_end(&self) {
        self.stage.store(ENDING, Ordering::Release);
    }

    /// Notes that nothing more will be sent to end the turn.
    pub(crate) fn end(&self) {
        self.stage.store(ENDED, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// Returns whether the turn has ended. While the lock is on its way back, waits for the server's answer.
    pub(crate) async fn has_ended(&self) -> bool {
        loop {
            // Before the check, so that no change is missed in between.
            let ended = self.ended.notified();
            match self.stage.load(Ordering::Acquire) {
                ON => return false,
                ENDING => ended.await,
                _ => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_turn_ends_with_the_servers_answer_and_not_before() {
        let turn = TurnState::new(1, Tick::now());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(turn.has_ended()).poll(&mut context), Poll::Ready(false));
        turn.begin_to_end();
        let mut ended = pin!(turn.has_ended());
        assert!(ended.as_mut().poll(&mut context).is_pending());
        turn.end();
        assert_eq!(ended.poll(&mut context), Poll::Ready(true));
    }
}
