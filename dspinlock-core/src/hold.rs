//! A lock that is held: its lease, its end, and its way from hand to hand.

mod turn;

use crate::client::Core;
use crate::clock::Tick;
use crate::drops::{self, Leftover};
use crate::error::{ErrorKind, Result};
use crate::guard::Guard;
use crate::lease::Lease;
use crate::record::{Record, State, Tag};
use crate::spec::Spec;
use crate::store::{Abandon, Fail, Release, Released, Sent};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use turn::Turn;

/// A lock that is held, shared by its guards, its handles and the renewer.
pub(crate) struct Hold {
    pub(crate) core: Arc<Core>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) tag: Tag,
    pub(crate) fence: u64,
    /// When the request that was granted had been sent.
    granted: Tick,
    lease: Mutex<Lease>,
    /// Where the renewer has this hold in its schedule.
    renewal: Mutex<Option<Tick>>,
    phase: AtomicU8,
    /// Tells those who wait for the loss that the phase has changed.
    changed: Notify,
    guards: AtomicUsize,
    turn: Arc<Turn>,
    /// How many more may have the lock in this turn.
    handoffs: u32,
}

/// How long a lock may go from hand to hand before other processes have their turn.
const TURN: Duration = Duration::from_millis(10);

/// How long somebody who waits for a loss sleeps at the most: timers stand still while the machine is suspended, and the
/// lease does not.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Held: believed to be so while the lease is valid.
const HELD: u8 = 0;
/// The server said that the record is no longer ours.
const LOST: u8 = 1;
/// Given back, or on its way.
const OVER: u8 = 2;
/// The same, and not by its holder: the client was shut down.
const REVOKED: u8 = 3;

impl Hold {
    /// A lock that was granted to a request sent at `sent`, with `handoffs` fencing tokens reserved after its own.
    pub(crate) fn new(
        core: Arc<Core>,
        spec: Arc<Spec>,
        tag: Tag,
        fence: u64,
        sent: Tick,
        handoffs: u32,
    ) -> Arc<Self> {
        let lease = Lease::granted(spec.options.lease, spec.options.max_block, sent);
        Arc::new(Self {
            core,
            spec,
            tag,
            fence,
            granted: sent,
            lease: Mutex::new(lease),
            renewal: Mutex::new(None),
            phase: AtomicU8::new(HELD),
            changed: Notify::new(),
            guards: AtomicUsize::new(0),
            turn: Arc::new(Turn::new(sent)),
            handoffs,
        })
    }

    /// What a body has in hand that runs without the lock: never held, never renewed, and with nothing to give back.
    pub(crate) fn unlocked(core: Arc<Core>, spec: Arc<Spec>) -> Arc<Self> {
        let now = Tick::now();
        Arc::new(Self {
            core,
            granted: now,
            lease: Mutex::new(Lease::granted(Duration::ZERO, Duration::ZERO, now)),
            spec,
            tag: Tag::default(),
            fence: 0,
            renewal: Mutex::new(None),
            phase: AtomicU8::new(OVER),
            changed: Notify::new(),
            guards: AtomicUsize::new(0),
            turn: Arc::new(Turn::new(now)),
            handoffs: 0,
        })
    }

    /// Hands the lock on to the first who waits for it in this process, with the next of the reserved fencing tokens.
    ///
    /// This hold has ended, so that nothing of it can touch the lock again; the record stays as it is.
    fn hand_on(&self) -> bool {
        let now = Tick::now();
        let lease = *self.lease();
        if self.handoffs == 0
            || self.core.check_open().is_err()
            || now - self.turn.granted >= TURN
            || !lease.is_fresh(now)
        {
            return false;
        }
        self.core.lines.hand_on(&self.spec.names.record, |spec| {
            // Another function, or another way to hold, has its own record written.
            if spec.options != self.spec.options || spec.expire_from_grant != self.spec.expire_from_grant {
                return None;
            }
            let next = Arc::new(Self {
                core: Arc::clone(&self.core),
                spec: Arc::clone(spec),
                tag: self.tag.clone(),
                fence: self.fence + 1,
                granted: now,
                lease: Mutex::new(lease.handed_on(spec.options.max_block, now)),
                renewal: Mutex::new(None),
                phase: AtomicU8::new(HELD),
                changed: Notify::new(),
                guards: AtomicUsize::new(0),
                turn: Arc::clone(&self.turn),
                handoffs: self.handoffs - 1,
            });
            self.core.renewer.add(&next);
            // Shut down just now: this one gives it back, unless the shutdown has seen the next one and does.
            if self.core.check_open().is_err() && next.end(OVER) {
                return None;
            }
            Some(Guard::new(next))
        })
    }

    pub(crate) fn lease(&self) -> MutexGuard<'_, Lease> {
        // A lease is three plain values, replaced whole.
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where the renewer has this hold now; where it had it before.
    pub(crate) fn set_renewal(&self, at: Option<Tick>) -> Option<Tick> {
        std::mem::replace(&mut *self.renewal.lock().unwrap_or_else(PoisonError::into_inner), at)
    }

    /// How long ago the lock was granted.
    pub(crate) fn held_for(&self) -> Duration {
        Tick::now() - self.granted
    }

    /// Takes in that the server no longer has the record as ours, or has not said in time that it has.
    pub(crate) fn lose(&self) {
        if self.phase.compare_exchange(HELD, LOST, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            tracing::warn!(target: "dspinlock", key = %self.spec.key, "lost the lock: its record is gone or another's, or its lease ran out");
            self.changed.notify_waiters();
            self.core.lines.call_first(&self.spec.names.record, 0, Duration::ZERO);
        }
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

    pub(crate) fn is_over(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= OVER
    }

    /// Whether it was given back over its holder's head.
    pub(crate) fn is_revoked(&self) -> bool {
        self.phase.load(Ordering::Acquire) == REVOKED
    }

    pub(crate) fn is_held(&self) -> bool {
        // A fork has a copy of all this, and the lock is its parent's.
        self.phase.load(Ordering::Acquire) == HELD
            && self.lease().is_valid(Tick::now())
            && self.core.worker.is_here()
    }

    /// Ends the holding; `false` if it had ended before. Nobody renews it from now on.
    fn end(self: &Arc<Self>, phase: u8) -> bool {
        let ended = |before| (before < OVER).then_some(phase);
        let first = self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, ended).is_ok();
        if first {
            self.core.renewer.remove(self);
            self.changed.notify_waiters();
        }
        first
    }

    /// How long COMPUTED is to be remembered if the lock is released now; `None` to remove the record.
    fn expire(&self) -> Option<Duration> {
        let expire = self.spec.options.expire?;
        if !self.spec.expire_from_grant {
            return Some(expire);
        }
        expire.checked_sub(Tick::now() - self.granted).filter(|rest| !rest.is_zero())
    }

    fn release_request<'a>(&'a self, value: Option<(&'a Sent, Duration)>) -> Release<'a> {
        Release {
            value,
            names: &self.spec.names,
            tag: &self.tag,
            expire: self.expire(),
            fence_life: self.spec.options.fence_life(),
            caller: &self.core.id,
        }
    }

    fn abandon_request(&self) -> Abandon<'_> {
        Abandon { names: &self.spec.names, tag: &self.tag }
    }

    fn fail_request<'a>(&'a self, note: &'a [u8], life: Duration) -> Fail<'a> {
        Fail { names: &self.spec.names, tag: &self.tag, note, life }
    }

    fn abandoned(&self, reply: Result<bool>) -> Result<Others> {
        reply.map(|_| Others(0)).map_err(|error| self.spec.name(error))
    }

    /// Says what the reply to a release means for the holder.
    fn released(&self, reply: Result<Released>) -> Result<Others> {
        let not_ours = |raw: &[u8]| match Record::parse(raw, &self.spec.names.separator) {
            Ok(record) if record.state == State::Blocked => (self.spec)
                .error(ErrorKind::NotOwner, "can't be released, somebody else holds it")
                .with_holder(Some(record.holder())),
            Ok(record) => (self.spec)
                .error(ErrorKind::Lost, "was lost: another turn has come and gone in between")
                .with_holder(Some(record.holder())),
            Err(why) => self.spec.foreign(&crate::spin::describe(raw, &why)),
        };
        match reply {
            Ok(Released::Done { others }) => Ok(Others(others)),
            Ok(Released::AlreadyComputed) => Ok(Others(0)),
            Ok(Released::Unknown) => {
                tracing::debug!(target: "dspinlock", key = %self.spec.key, "the reply to a release was lost; the key is free");
                Ok(Others(0))
            }
            Ok(Released::Refused(why)) => {
                self.core.not_stored(&self.spec, &why);
                Ok(Others(0))
            }
            Ok(Released::Gone) => Err(self.spec.error(
                ErrorKind::Lost,
                "was lost before it was released: its lease ran out or its key was removed",
            )),
            Ok(Released::Held(raw)) => Err(not_ours(&raw)),
            Ok(Released::WrongType(kind)) => Err(self.spec.foreign(&format!("a {kind}"))),
            Err(error) => Err(self.spec.name(error)),
        }
    }

    async fn settle(&self, ending: &Ending) -> Result<()> {
        let store = &self.core.store;
        self.core.lines.hold_first(&self.spec.names.record);
        let done = match ending {
            Ending::Release => self.released(store.call(&self.release_request(None)).await),
            Ending::Publish { value, life } => {
                self.released(store.call(&self.release_request(Some((value, *life)))).await)
            }
            Ending::Abandon => self.abandoned(store.call(&self.abandon_request()).await),
            Ending::Fail { note, life } => self.abandoned(store.call(&self.fail_request(note, *life)).await),
        };
        self.call_next(done)
    }

    fn settle_blocking(&self, ending: &Ending) -> Result<()> {
        let store = &self.core.store;
        self.core.lines.hold_first(&self.spec.names.record);
        let done = match ending {
            Ending::Release => self.released(store.call_blocking(&self.release_request(None))),
            Ending::Publish { value, life } => {
                self.released(store.call_blocking(&self.release_request(Some((value, *life)))))
            }
            Ending::Abandon => self.abandoned(store.call_blocking(&self.abandon_request())),
            Ending::Fail { note, life } => {
                self.abandoned(store.call_blocking(&self.fail_request(note, *life)))
            }
        };
        self.call_next(done)
    }

    /// Tells the next caller of this process to look, unless it is the turn of others; with what the holder is told.
    fn call_next(&self, done: Result<Others>) -> Result<()> {
        let others = done.as_ref().map_or(0, |Others(others)| *others);
        self.core.lines.call_first(&self.spec.names.record, others, Tick::now() - self.turn.granted);
        done.map(drop)
    }

    /// One more guard.
    pub(crate) fn enter(&self) {
        self.guards.fetch_add(1, Ordering::AcqRel);
    }

    /// One guard less; `true` if the lock is now to be given back to the store.
    pub(crate) fn leave(self: &Arc<Self>, ending: &Ending) -> bool {
        if self.guards.fetch_sub(1, Ordering::AcqRel) != 1 {
            return false;
        }
        let was_held = self.is_held();
        // What was computed, or why it was not, is for the store to tell.
        let can_go_on = was_held && matches!(ending, Ending::Release | Ending::Abandon);
        let over = self.end(OVER) && !(can_go_on && self.hand_on());
        if over {
            self.turn.begin_to_end();
        }
        over
    }

    /// Gives the lock back over its holder's head, by the library's own thread.
    pub(crate) fn revoke(self: &Arc<Self>) {
        if self.end(REVOKED) {
            self.turn.begin_to_end();
            Arc::clone(self).give_back_in_background(Ending::Abandon, false, None);
        }
    }

    /// Whether the tag is nobody's any more, neither this holder's nor that of one it was handed on to. Waits for the
    /// server's answer to what gives it back: a take-back that overtook that would have it find nothing.
    pub(crate) async fn is_turn_over(&self) -> bool {
        self.turn.is_over().await
    }

    /// Gives the lock back, also if the returned future is dropped.
    pub(crate) async fn give_back(self: Arc<Self>, ending: Ending) -> Result<()> {
        let worker = self.core.worker.clone();
        let on_its_way = (self.core.on_its_way(), drops::note());
        let settle = async move {
            let _on_its_way = on_its_way;
            let reply = self.settle(&ending).await;
            self.take_in(reply, ending)
        };
        worker.finish(settle).await
    }

    /// [`give_back`](Self::give_back), blocking the calling thread.
    pub(crate) fn give_back_blocking(self: Arc<Self>, ending: Ending) -> Result<()> {
        let reply = self.settle_blocking(&ending);
        self.take_in(reply, ending)
    }

    /// Takes in what came of the one try that a caller waits for. Unconfirmed, the ending goes on being tried.
    fn take_in(self: Arc<Self>, reply: Result<()>, ending: Ending) -> Result<()> {
        if is_unconfirmed(&reply) {
            self.give_back_in_background(ending, true, None);
        } else {
            self.turn.settle();
        }
        reply
    }

    /// Gives the lock back by the library's own thread, for a guard that is dropped. Where it may block the calling thread
    /// that waits a moment for the answer, since the process may be about to end.
    pub(crate) fn give_back_dropped(self: Arc<Self>) {
        drops::leave(|left| self.give_back_in_background(Ending::Abandon, false, Some(left)));
    }

    fn give_back_in_background(self: Arc<Self>, ending: Ending, tried: bool, left: Option<Leftover>) {
        let worker = self.core.worker.clone();
        let on_its_way = self.core.on_its_way();
        worker.detach(async move {
            let _on_its_way = (on_its_way, left);
            self.settle_until_lease(ending, tried).await;
            self.turn.settle();
        });
    }

    /// Tries until the server has confirmed the ending, or the lease is over and has ended it. `tried` is whether that was
    /// sent before, and may have been done.
    async fn settle_until_lease(&self, ending: Ending, mut tried: bool) {
        let over = Tick::now() + self.spec.options.lease;
        while let Err(error) = self.settle(&ending).await {
            let unconfirmed = error.kind() == ErrorKind::Backend;
            if tried && !unconfirmed {
                tracing::debug!(target: "dspinlock", %error, "the lock is gone, perhaps by a try that nobody confirmed");
                return;
            }
            if !unconfirmed || Tick::now() >= over {
                tracing::warn!(target: "dspinlock", %error, "could not give the lock back; it ends with its lease");
                return;
            }
            tried = true;
            tokio::time::sleep(self.spec.options.retry()).await;
        }
    }
}

fn is_unconfirmed(reply: &Result<()>) -> bool {
    reply.as_ref().is_err_and(|error| error.kind() == ErrorKind::Backend)
}

/// How many other processes are known to wait for a lock that was given back.
#[derive(Clone, Copy)]
struct Others(u64);

/// How a holding ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The work was done.
    Release,
    /// The work was done, and this is what came of it, to be kept for so long.
    Publish { value: Sent, life: Duration },
    /// It was not, or nobody knows.
    Abandon,
    /// It has failed, and this is for those who waited, to be kept for so long.
    Fail { note: Vec<u8>, life: Duration },
}
