//! A lock that is held: shared by its guards, handed on to the next caller of this process, and given back to the store.

use crate::clock::Tick;
use crate::drops::{self, Leftover};
use crate::engine::core::Core;
use crate::engine::grant::Grant;
use crate::engine::line::Handoff;
use crate::engine::spec::Spec;
use crate::error::{ErrorKind, Result};
use crate::format::record::{Record, State, Tag, describe};
use crate::store::{Abandon, Fail, Release, Released, Sent};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a lock may go from hand to hand before other processes have their turn.
const TURN: Duration = Duration::from_millis(10);

/// A lock that is held, shared by its guards and handles.
pub(crate) struct Hold {
    pub(crate) core: Arc<Core>,
    pub(crate) grant: Arc<Grant>,
    guards: AtomicUsize,
}

impl Hold {
    pub(crate) fn new(core: Arc<Core>, grant: Arc<Grant>) -> Arc<Self> {
        Arc::new(Self { core, grant, guards: AtomicUsize::new(0) })
    }

    /// For a body that runs without the lock.
    pub(crate) fn unlocked(core: Arc<Core>, spec: Arc<Spec>) -> Arc<Self> {
        Self::new(core, Arc::new(Grant::unlocked(spec)))
    }

    /// Hands the lock on to the first caller of this process that waits for it, with the next of the reserved fencing tokens.
    ///
    /// This hold has ended, so that nothing of it can touch the lock again; the record stays as it is.
    fn hand_on(&self) -> bool {
        let (now, grant) = (Tick::now(), &self.grant);
        if grant.handoffs == 0
            || self.core.check_open().is_err()
            || now - grant.turn.granted >= TURN
            || !grant.lease().is_fresh(now)
        {
            return false;
        }
        self.core.lines.hand_on(&grant.spec.names.record, |spec| {
            // Another function, or another way to hold, has its own record written.
            if spec.options != grant.spec.options || spec.expire_from_grant != grant.spec.expire_from_grant {
                return None;
            }
            let next = Arc::new(grant.handed_on(Arc::clone(spec), now));
            self.core.renewer.add(&next);
            // Shut down just now: this one gives it back, unless the shutdown has seen the next one and does.
            if self.core.check_open().is_err() && self.core.renewer.end(&next) {
                return None;
            }
            let core = Arc::clone(&self.core);
            Some(Handoff::new(next, move |unheard| Self::new(core, unheard).abandon_unheard()))
        })
    }

    /// Gives back a lock that nobody took from the hand that offered it.
    fn abandon_unheard(self: Arc<Self>) {
        self.enter();
        if self.leave(&Ending::Abandon) {
            self.give_back_dropped();
        }
    }

    /// One more guard.
    pub(crate) fn enter(&self) {
        self.guards.fetch_add(1, Ordering::AcqRel);
    }

    /// One guard less; `true` if the lock is now to be given back to the store.
    pub(crate) fn leave(&self, ending: &Ending) -> bool {
        if self.guards.fetch_sub(1, Ordering::AcqRel) != 1 {
            return false;
        }
        let was_held = self.grant.is_held();
        // What was computed, or why it was not, is for the store to tell.
        let can_go_on = was_held && matches!(ending, Ending::Release | Ending::Abandon);
        let over = self.core.renewer.end(&self.grant) && !(can_go_on && self.hand_on());
        if over {
            self.grant.turn.begin_to_end();
        }
        over
    }

    /// Gives the lock back over its holder's head, by the library's own thread.
    pub(crate) fn revoke(self: &Arc<Self>) {
        if self.core.renewer.revoke(&self.grant) {
            self.grant.turn.begin_to_end();
            Arc::clone(self).give_back_in_background(Ending::Abandon, false, None);
        }
    }

    fn release_request<'a>(&'a self, tag: &'a Tag, value: Option<(&'a Sent, Duration)>) -> Release<'a> {
        Release {
            value,
            names: &self.grant.spec.names,
            tag,
            expire: self.grant.expire(),
            fence_life: self.grant.spec.options.fence_life(),
            caller: &self.core.id,
        }
    }

    fn abandon_request<'a>(&'a self, tag: &'a Tag) -> Abandon<'a> {
        Abandon { names: &self.grant.spec.names, tag }
    }

    fn fail_request<'a>(&'a self, tag: &'a Tag, note: &'a [u8], life: Duration) -> Fail<'a> {
        Fail { names: &self.grant.spec.names, tag, note, life }
    }

    fn abandoned(&self, reply: Result<bool>) -> Result<Others> {
        reply.map(|_| Others(0)).map_err(|error| self.grant.spec.name(error))
    }

    /// Says what the reply to a release means for the holder.
    fn released(&self, reply: Result<Released>) -> Result<Others> {
        let not_ours = |raw: &[u8]| match Record::parse(raw, &self.grant.spec.names.separator) {
            Ok(record) if record.state == State::Blocked => (self.grant.spec)
                .error(ErrorKind::NotOwner, "can't be released, somebody else holds it")
                .with_holder(Some(record.holder())),
            Ok(record) => (self.grant.spec)
                .error(ErrorKind::Lost, "was lost: another turn has come and gone in between")
                .with_holder(Some(record.holder())),
            Err(why) => self.grant.spec.foreign(&describe(raw, &why)),
        };
        match reply {
            Ok(Released::Done { others }) => Ok(Others(others)),
            Ok(Released::AlreadyComputed) => Ok(Others(0)),
            Ok(Released::Unknown) => {
                tracing::debug!(target: "dspinlock", key = %self.grant.spec.key, "the reply to a release was lost; the key is free");
                Ok(Others(0))
            }
            Ok(Released::Refused(why)) => {
                self.core.not_stored(&self.grant.spec, &why);
                Ok(Others(0))
            }
            Ok(Released::Gone) => Err(self.grant.spec.error(
                ErrorKind::Lost,
                "was lost before it was released: its lease ran out or its key was removed",
            )),
            Ok(Released::Held(raw)) => Err(not_ours(&raw)),
            Ok(Released::WrongType(kind)) => Err(self.grant.spec.foreign(&format!("a {kind}"))),
            Err(error) => Err(self.grant.spec.name(error)),
        }
    }

    async fn settle(&self, ending: &Ending) -> Result<()> {
        let (store, Some(tag)) = (&self.core.store, &self.grant.tag) else { return Ok(()) };
        self.core.lines.hold_first(&self.grant.spec.names.record);
        let done = match ending {
            Ending::Release => self.released(store.call(&self.release_request(tag, None)).await),
            Ending::Publish { value, life } => {
                self.released(store.call(&self.release_request(tag, Some((value, *life)))).await)
            }
            Ending::Abandon => self.abandoned(store.call(&self.abandon_request(tag)).await),
            Ending::Fail { note, life } => {
                self.abandoned(store.call(&self.fail_request(tag, note, *life)).await)
            }
        };
        self.call_next(done)
    }

    fn settle_blocking(&self, ending: &Ending) -> Result<()> {
        let (store, Some(tag)) = (&self.core.store, &self.grant.tag) else { return Ok(()) };
        self.core.lines.hold_first(&self.grant.spec.names.record);
        let done = match ending {
            Ending::Release => self.released(store.call_blocking(&self.release_request(tag, None))),
            Ending::Publish { value, life } => {
                self.released(store.call_blocking(&self.release_request(tag, Some((value, *life)))))
            }
            Ending::Abandon => self.abandoned(store.call_blocking(&self.abandon_request(tag))),
            Ending::Fail { note, life } => {
                self.abandoned(store.call_blocking(&self.fail_request(tag, note, *life)))
            }
        };
        self.call_next(done)
    }

    /// Tells the next caller of this process to look, unless it is the turn of others; with what the holder is told.
    fn call_next(&self, done: Result<Others>) -> Result<()> {
        let others = done.as_ref().map_or(0, |Others(others)| *others);
        let turn = Tick::now() - self.grant.turn.granted;
        self.core.lines.call_first(&self.grant.spec.names.record, others, turn);
        done.map(drop)
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
            self.grant.turn.settle();
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
            self.grant.turn.settle();
        });
    }

    /// Tries until the server has confirmed the ending, or the lease is over and has ended it. `tried` is whether that was
    /// sent before, and may have been done.
    async fn settle_until_lease(&self, ending: Ending, mut tried: bool) {
        let over = Tick::now() + self.grant.spec.options.lease;
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
            tokio::time::sleep(self.grant.spec.options.retry()).await;
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
