//! A held lock: shared by its guards, handed off to the next caller of this process, or given back to the store.

use crate::clock::Tick;
use crate::drops::{self, Leftover};
use crate::engine::core::Core;
use crate::engine::ending::Ending;
use crate::engine::grant::Grant;
use crate::engine::probe::Event;
use crate::engine::queue::Handoff;
use crate::engine::spec::Spec;
use crate::error::{Error, ErrorKind, Result};
use crate::format::record::{Record, State, describe};
use crate::observe::Held;
use crate::store::backend::{End, Operation, Reply, Request};
use crate::store::{Abandon, Fail, Release, Released};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a turn may last before the lock is no longer handed off, so that other processes get their turns.
const MAX_TURN: Duration = Duration::from_millis(10);

/// A held lock, shared by its guards and handles.
pub(crate) struct Hold {
    pub(crate) core: Arc<Core>,
    pub(crate) grant: Arc<Grant>,
    guards: AtomicUsize,
}

/// The request that tells the store of an ending.
enum EndRequest<'a> {
    Release(Release<'a>),
    Abandon(Abandon<'a>),
    Fail(Fail<'a>),
}

impl Operation for EndRequest<'_> {
    type Reply = Released;

    fn request(&self) -> Request<'_> {
        Request::End(match self {
            Self::Release(release) => End::Release(release),
            Self::Abandon(abandon) => End::Abandon(abandon),
            Self::Fail(fail) => End::Fail(fail),
        })
    }

    fn reply(reply: Reply) -> Option<Released> {
        match reply {
            Reply::Released(released) => Some(released),
            // The reply does not count the other processes that wait.
            Reply::Abandoned(_) => Some(Released::Done { others: 0 }),
            _ => None,
        }
    }
}

impl Hold {
    pub(crate) fn new(core: Arc<Core>, grant: Arc<Grant>) -> Arc<Self> {
        Arc::new(Self { core, grant, guards: AtomicUsize::new(0) })
    }

    /// The hold of a body that runs without the lock.
    pub(crate) fn unlocked(core: Arc<Core>, spec: Arc<Spec>) -> Arc<Self> {
        Self::new(core, Arc::new(Grant::unlocked(spec)))
    }

    /// Counts one more guard.
    pub(crate) fn enter(&self) {
        self.guards.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts one guard less. `true` if the caller now has to give the lock back to the store: this was the last guard,
    /// the holding had not ended before, and the lock was not handed off.
    pub(crate) fn leave(&self, ending: &Ending) -> bool {
        if self.guards.fetch_sub(1, Ordering::AcqRel) != 1 {
            return false;
        }
        // A value and a failure go to the store, so that other processes see them.
        let can_hand_off = self.grant.handoffs > 0
            && matches!(ending, Ending::Release | Ending::Abandon)
            && self.grant.is_held();
        if !self.core.renewer.end(&self.grant) {
            return false;
        }
        if can_hand_off && self.hand_off() {
            let spec = &self.grant.spec;
            tracing::debug!(
                target: "dspinlock", key = %spec.key, function = spec.function, fence = self.grant.fence,
                held = ?self.grant.held_for(), "handed over to the next caller of this process"
            );
            self.grant.holding.end(ending.held());
            self.core.tell(&self.grant.spec, Event::HandsOver);
            return false;
        }
        self.core.tell(&self.grant.spec, Event::Ends(ending));
        self.grant.turn.begin_to_end();
        true
    }

    /// Hands the lock off to the first caller of this process that waits for it. The record stays as it is.
    ///
    /// Call it once this holding has ended, so that it can't touch the lock of the next holder.
    fn hand_off(&self) -> bool {
        let (now, grant) = (Tick::now(), &self.grant);
        let may_go_on = now - grant.turn.granted < MAX_TURN
            && grant.lease().is_fresh(now)
            && self.core.check_open().is_ok();
        may_go_on && self.core.queues.hand_off(&grant.spec.names.record, |spec| self.handoff_to(spec, now))
    }

    /// The hand-off to a caller of this `spec`; `None` if it can't have the lock without a request of its own.
    fn handoff_to(&self, spec: &Arc<Spec>, now: Tick) -> Option<Handoff> {
        // With other options, the record would be another one.
        if spec.options != self.grant.spec.options
            || spec.expire_from_grant != self.grant.spec.expire_from_grant
        {
            return None;
        }
        let next = Arc::new(self.grant.handed_off(Arc::clone(spec), now));
        self.core.renewer.add(&next);
        // A shutdown that began just now may not have seen the next grant. Then this holder gives the lock back.
        if self.core.check_open().is_err() && self.core.renewer.end(&next) {
            return None;
        }
        let core = Arc::clone(&self.core);
        Some(Handoff::new(next, move |grant| Self::new(core, grant).abandon_untaken()))
    }

    /// Gives back a lock that was handed off, and that its next holder did not take.
    fn abandon_untaken(self: Arc<Self>) {
        self.enter();
        if self.leave(&Ending::Abandon) {
            self.give_back_dropped();
        }
    }

    /// Gives the lock back while its holder still has it, on the library's own thread.
    pub(crate) fn revoke(self: &Arc<Self>) {
        if self.core.renewer.revoke(&self.grant) {
            self.grant.turn.begin_to_end();
            Arc::clone(self).give_back_in_background(Ending::Abandon, false, None);
        }
    }

    /// Gives the lock back. Once polled, it goes on when the returned future is dropped.
    pub(crate) async fn give_back(self: Arc<Self>, ending: Ending) -> Result<()> {
        let _noted = self.core.giving_back();
        let mut under_way = UnderWay { hold: self, ending, is_answered: false };
        let reply = under_way.hold.settle_here(&under_way.ending).await;
        under_way.is_answered = true;
        Arc::clone(&under_way.hold).conclude(reply, &under_way.ending)
    }

    /// [`give_back`](Self::give_back), blocking the calling thread.
    pub(crate) fn give_back_blocking(self: Arc<Self>, ending: &Ending) -> Result<()> {
        let reply = self.settle_blocking(ending);
        self.conclude(reply, ending)
    }

    /// Ends the turn by the reply to the one request that the caller waits for. Where the server did not confirm it,
    /// the library's own thread tries again.
    fn conclude(self: Arc<Self>, reply: Result<()>, ending: &Ending) -> Result<()> {
        if reply.as_ref().is_err_and(is_unconfirmed) {
            self.give_back_in_background(ending.clone(), true, None);
        } else {
            self.grant.turn.end();
            self.grant.holding.end(if reply.is_ok() { ending.held() } else { Held::Lost });
        }
        reply
    }

    /// Gives the lock back on the library's own thread, for a guard that is dropped. The calling thread waits a moment
    /// for the answer where it may block, since the process may be about to end.
    pub(crate) fn give_back_dropped(self: Arc<Self>) {
        drops::leave(|leftover| self.give_back_in_background(Ending::Abandon, false, Some(leftover)));
    }

    fn give_back_in_background(self: Arc<Self>, ending: Ending, tried: bool, leftover: Option<Leftover>) {
        let worker = self.core.worker.clone();
        let giving_back = self.core.giving_back();
        worker.detach(async move {
            let _noted = (giving_back, leftover);
            let held = ending.held();
            self.settle_until_lease(ending, tried).await;
            self.grant.turn.end();
            self.grant.holding.end(held);
        });
    }

    /// Tries until the server has confirmed the ending, or the lease has run out. `tried` says whether a request was
    /// sent before, which the server may have done.
    async fn settle_until_lease(&self, ending: Ending, mut tried: bool) {
        let over = Tick::now() + self.grant.spec.options.lease;
        while let Err(error) = self.settle(&ending).await {
            if tried && !is_unconfirmed(&error) {
                tracing::debug!(target: "dspinlock", %error, "the lock is gone, perhaps by an earlier request that was not confirmed");
                return;
            }
            if !is_unconfirmed(&error) || Tick::now() >= over {
                tracing::warn!(target: "dspinlock", %error, "could not give the lock back; it ends with its lease");
                return;
            }
            tried = true;
            tokio::time::sleep(self.grant.spec.options.retry()).await;
        }
    }

    /// Tells the store of the ending, once.
    async fn settle(&self, ending: &Ending) -> Result<()> {
        let Some(request) = self.end_request(ending) else { return Ok(()) };
        self.settled(self.core.store.call(&request).await)
    }

    /// [`settle`](Self::settle) in the caller's own task.
    async fn settle_here(&self, ending: &Ending) -> Result<()> {
        let Some(request) = self.end_request(ending) else { return Ok(()) };
        self.settled(self.core.store.call_here(&request).await)
    }

    /// [`settle`](Self::settle), blocking the calling thread.
    fn settle_blocking(&self, ending: &Ending) -> Result<()> {
        let Some(request) = self.end_request(ending) else { return Ok(()) };
        self.settled(self.core.store.call_blocking(&request))
    }

    /// The request of an ending, about to be sent; `None` where there is no lock. The queue pauses until the reply.
    fn end_request<'a>(&'a self, ending: &'a Ending) -> Option<EndRequest<'a>> {
        let grant = &*self.grant;
        let (tag, names) = (grant.tag.as_ref()?, &grant.spec.names);
        let release =
            |value| Release { value, names, tag, expire: grant.expire(), caller: Some(&self.core.id) };
        self.core.queues.pause_first(&names.record);
        Some(match ending {
            Ending::Release => EndRequest::Release(release(None)),
            Ending::Publish { value, life } => EndRequest::Release(release(Some((value, *life)))),
            Ending::Abandon => EndRequest::Abandon(Abandon { names, tag }),
            Ending::Fail { note, life } => EndRequest::Fail(Fail { names, tag, note, life: *life }),
        })
    }

    /// Takes in the reply: wakes the first of the queue, unless the turns of other processes come first, and says what
    /// the reply means for the holder.
    fn settled(&self, reply: Result<Released>) -> Result<()> {
        let others = match reply {
            Ok(Released::Done { others }) => others,
            _ => 0,
        };
        let (spec, turn) = (&self.grant.spec, &self.grant.turn);
        self.core.queues.wake_first(&spec.names.record, others, Tick::now() - turn.granted);
        match reply {
            Ok(Released::Done { .. } | Released::AlreadyComputed) => {
                tracing::debug!(
                    target: "dspinlock", key = %spec.key, function = spec.function, fence = self.grant.fence,
                    held = ?self.grant.held_for(), "given back"
                );
                Ok(())
            }
            Ok(Released::Unknown) => {
                tracing::debug!(target: "dspinlock", key = %spec.key, function = spec.function, "the reply to a release was lost; the key is free");
                Ok(())
            }
            Ok(Released::Refused(why)) => {
                self.core.not_stored(spec, &why);
                Ok(())
            }
            Ok(Released::Gone) => Err(spec.error(
                ErrorKind::Lost,
                "lost before it was released: its lease ran out, or its key was removed",
            )),
            Ok(Released::Held(raw)) => Err(not_ours(spec, &raw)),
            Ok(Released::WrongType(kind)) => Err(spec.foreign(&format!("a {kind}"))),
            Err(error) => Err(spec.name(error)),
        }
    }
}

/// A lock that its caller's task gives back. Dropped before the reply, the library's own thread goes on.
struct UnderWay {
    hold: Arc<Hold>,
    ending: Ending,
    is_answered: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_answered {
            // The process may be about to end.
            let (ending, leftover) = (self.ending.clone(), drops::note());
            Arc::clone(&self.hold).give_back_in_background(ending, true, Some(leftover));
        }
    }
}

/// The error of a release that found something else at the key.
fn not_ours(spec: &Spec, raw: &[u8]) -> Error {
    let (kind, what, record) = match Record::parse(raw, &spec.names.separator) {
        Ok(record) if record.state == State::Blocked => {
            (ErrorKind::NotOwner, "not released, since somebody else holds it", record)
        }
        Ok(record) => (ErrorKind::Lost, "lost: another turn has come and gone in between", record),
        Err(why) => return spec.foreign(&describe(raw, &why)),
    };
    spec.error(kind, what).with_holder(Some(record.holder()))
}

/// Whether the server may not have taken in what was asked: also where a new connection was refused by its certificate.
fn is_unconfirmed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Backend | ErrorKind::Config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;
    use std::thread;

    #[test]
    fn a_lock_that_was_handed_off_and_not_taken_is_given_back_and_keeps_no_client_alive() {
        let client = Client::memory();
        let core = client.core();
        let guard = client.lock("key").acquire_blocking().unwrap();
        let first = guard.grant();
        let (spec, tag) = (Arc::clone(&first.spec), first.tag.clone().unwrap());
        let grant = Grant::new(std::process::id(), Arc::clone(&spec), tag, first.fence, Tick::now(), 1);
        let hold = Hold::new(Arc::clone(&core), Arc::new(grant));
        core.renewer.add(&hold.grant);
        hold.enter();
        let queued = core.queues.join(&spec.names.record, Some(Arc::clone(&spec)));
        assert!(!hold.leave(&Ending::Release), "it is handed off");
        assert!(client.lock("key").try_acquire_blocking().unwrap().is_none());
        drop(queued);
        let next = client.lock("key").acquire_blocking().unwrap();
        next.release_blocking().unwrap();
        let freed = Arc::downgrade(&core);
        drop((client, core, guard, hold));
        while freed.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
