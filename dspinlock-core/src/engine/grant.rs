//! What one caller was granted: its lease, its fencing token, and whether it still holds the lock.

use crate::clock::Tick;
use crate::engine::lease::Lease;
use crate::engine::spec::Spec;
use crate::engine::turn::Turn;
use crate::format::record::Tag;
use crate::worker::check_process;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a wait for a loss sleeps at most: timers stand still while the machine is suspended, and the lease does not.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Held: believed to be so while the lease is valid.
const HELD: u8 = 0;
/// The server said that the record is no longer ours.
const LOST: u8 = 1;
/// Given back, or on its way.
const OVER: u8 = 2;
/// The same, and not by its holder: the client was shut down.
const REVOKED: u8 = 3;

/// What one caller was granted. Its guards and handles share it with the renewer.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) spec: Arc<Spec>,
    /// The mark of its turn; `None` where a body runs without the lock.
    pub(crate) tag: Option<Tag>,
    pub(crate) fence: u64,
    pub(crate) turn: Arc<Turn>,
    /// How many more callers may have the lock in this turn.
    pub(crate) handoffs: u32,
    /// When the request that was granted had been sent.
    granted: Tick,
    lease: Mutex<Lease>,
    /// Where the renewer has this grant in its schedule.
    renewal: Mutex<Option<Tick>>,
    phase: AtomicU8,
    /// Announces a change of the phase.
    changed: Notify,
    process: u32,
}

impl Grant {
    /// The answer to a request sent at `sent`, with `handoffs` fencing tokens reserved after its own.
    pub(crate) fn new(spec: Arc<Spec>, tag: Tag, fence: u64, sent: Tick, handoffs: u32) -> Self {
        let lease = Lease::granted(spec.options.lease, spec.options.max_block, sent);
        Self::of_turn(Arc::new(Turn::new(sent)), spec, Some(tag), fence, sent, lease, handoffs)
    }

    /// What a body has that runs without the lock: never held, never renewed, and with nothing to give back.
    pub(crate) fn unlocked(spec: Arc<Spec>) -> Self {
        let now = Tick::now();
        let (turn, lease) = (Arc::new(Turn::new(now)), Lease::granted(Duration::ZERO, Duration::ZERO, now));
        Self { phase: AtomicU8::new(OVER), ..Self::of_turn(turn, spec, None, 0, now, lease, 0) }
    }

    /// The next grant of this turn, with the next of the reserved fencing tokens.
    pub(crate) fn handed_on(&self, spec: Arc<Spec>, now: Tick) -> Self {
        let lease = self.lease().handed_on(spec.options.max_block, now);
        let (turn, tag, fence) = (Arc::clone(&self.turn), self.tag.clone(), self.fence + 1);
        Self::of_turn(turn, spec, tag, fence, now, lease, self.handoffs - 1)
    }

    fn of_turn(
        turn: Arc<Turn>,
        spec: Arc<Spec>,
        tag: Option<Tag>,
        fence: u64,
        granted: Tick,
        lease: Lease,
        handoffs: u32,
    ) -> Self {
        Self {
            spec,
            tag,
            fence,
            turn,
            handoffs,
            granted,
            lease: Mutex::new(lease),
            renewal: Mutex::new(None),
            phase: AtomicU8::new(HELD),
            changed: Notify::new(),
            process: std::process::id(),
        }
    }

    pub(crate) fn lease(&self) -> MutexGuard<'_, Lease> {
        // A lease is three plain values, replaced whole.
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where the renewer has this grant now; returns where it had it before.
    pub(crate) fn set_renewal(&self, at: Option<Tick>) -> Option<Tick> {
        std::mem::replace(&mut *self.renewal.lock().unwrap_or_else(PoisonError::into_inner), at)
    }

    /// How long ago the lock was granted.
    pub(crate) fn held_for(&self) -> Duration {
        Tick::now() - self.granted
    }

    /// How long COMPUTED is to be remembered if the lock is released now; `None` to remove the record.
    pub(crate) fn expire(&self) -> Option<Duration> {
        let expire = self.spec.options.expire?;
        if !self.spec.expire_from_grant {
            return Some(expire);
        }
        expire.checked_sub(self.held_for()).filter(|rest| !rest.is_zero())
    }

    pub(crate) fn is_held(&self) -> bool {
        // A fork has a copy of all this, and the lock is its parent's.
        self.phase.load(Ordering::Acquire) == HELD
            && self.lease().is_valid(Tick::now())
            && check_process(self.process).is_ok()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= OVER
    }

    /// Whether a shutdown gave it back while its holder still had it.
    pub(crate) fn is_revoked(&self) -> bool {
        self.phase.load(Ordering::Acquire) == REVOKED
    }

    /// Waits until the lock is not known to be held any more. Call it on the library's I/O thread.
    pub(crate) async fn until_lost(&self) {
        loop {
            // Made before the look, so that no change is missed in between.
            let changed = self.changed.notified();
            if !self.is_held() {
                return;
            }
            let rest = self.lease().remaining(Tick::now());
            // Both ends mean the same: look again.
            let _ = tokio::time::timeout(rest.min(LOOK_AGAIN), changed).await;
        }
    }

    /// Notes that the record is not ours any more, or not known to be; `false` if this was known.
    pub(crate) fn lose(&self) -> bool {
        let lost = self.phase.compare_exchange(HELD, LOST, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if lost {
            self.changed.notify_waiters();
        }
        lost
    }

    /// Ends the holding, by its holder; `false` if it had ended before.
    pub(crate) fn end(&self) -> bool {
        self.end_as(OVER)
    }

    /// Ends the holding, by a shutdown; `false` if it had ended before.
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
