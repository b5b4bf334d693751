//! A value that many callers want: who computes it, and how it reaches the others. Nothing here knows its type.

use crate::clock::{ServerTime, Tick};
use crate::engine::attempt::{Attempt, Fetched, Outcome};
use crate::engine::core::Core;
use crate::engine::fallback::Fallback;
use crate::engine::flight::{Join, Landing, Lead};
use crate::engine::guard::{Guard, LockHandle};
use crate::engine::hold::Ending;
use crate::engine::spec::Spec;
use crate::engine::spin::{Distrust, Policy, Wanted};
use crate::engine::unshared::RETRY;
use crate::engine::waits::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::{Label, Payload};
use crate::format::note::{Failure, Note, Reach};
use crate::options::{Caching, OnLost, OnOutage};
use crate::store::{Refresh, Release, Released, Sent};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the note of a failure waits for those who waited, at the least.
const NOTE_LIFE: Duration = Duration::from_secs(10);

/// One caller's wish for a value.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) core: Arc<Core>,
    pub(crate) spec: Arc<Spec>,
    /// What the value must be; `None` where the fact that the work is done is all.
    pub(crate) label: Option<Label>,
    pub(crate) caching: Caching,
    pub(crate) deadline: Tick,
    pub(crate) on_lost: OnLost,
    pub(crate) on_outage: OnOutage,
    pub(crate) distrust: Distrust,
}

/// How a wish begins.
pub(crate) enum Start {
    /// It has come true, or can't.
    Landed(Landing),
    /// This caller is the one to compute.
    Lead(Leader),
}

impl Wish {
    /// A wish that begins now, and is given up after the lock's own budget.
    pub(crate) fn new(lock: Fallback, label: Option<Label>, caching: Caching, on_lost: OnLost) -> Self {
        let Fallback { core, spec, on_outage } = lock;
        let deadline = Tick::now() + spec.options.wait();
        Self { core, spec, label, caching, deadline, on_lost, on_outage, distrust: Distrust::Nothing }
    }

    /// The way in without the lock.
    pub(crate) fn fallback(&self) -> Fallback {
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        Fallback { core, spec, on_outage: self.on_outage }
    }

    /// What this process knows without asking: the copy of the value that it has, if it may be served, or that there is
    /// none to be had.
    pub(crate) fn at_hand(&self) -> Option<Landing> {
        let (record, label) = (&self.spec.names.record, self.label.as_ref()?);
        let copy =
            self.caching.local.and_then(|_| self.core.store.wakeups().copy(record, label, Tick::now()));
        match copy {
            Some(payload) => Some(Landing::Value { payload, record: None }),
            None => self.reaches_only(Reach::Caller).then_some(Landing::Unshared),
        }
    }

    /// Whether the value is known to be one that can't be shared any further.
    fn reaches_only(&self, reach: Reach) -> bool {
        let is_known =
            |label| self.core.unshared.is_known(&self.spec.names.record, label, reach, Tick::now());
        // A client that was shut down says so.
        self.label.as_ref().is_some_and(is_known) && self.core.check_open().is_ok()
    }

    /// Takes in that it is one.
    fn will_reach_only(&self, reach: Reach, refused: bool) {
        if let Some(label) = &self.label {
            self.core.unshared.add(&self.spec.names.record, label, reach, refused, Tick::now());
        }
    }

    /// Whether it is the first time that this is said of the values of this function.
    pub(crate) fn is_news(&self, what: &'static str) -> bool {
        self.core.unshared.is_news(what, self.spec.function, self.label.as_ref())
    }

    /// What a body has in hand that runs without the lock, since its value can't be shared.
    pub(crate) fn unlocked(&self) -> LockHandle {
        LockHandle::unlocked(Arc::clone(&self.core), Arc::clone(&self.spec))
    }

    /// Joins the flight of this process, and leads it if nobody does.
    ///
    /// Dropped at any point it gives back what it may have taken, and another caller takes over.
    pub(crate) async fn start(self, caller: Weak<Caller>) -> Result<Start> {
        // The caller is about to abort this if it is gone.
        let Some(run) = caller.upgrade().map(|caller| Arc::clone(caller.run())) else {
            return Err(self.timed_out());
        };
        loop {
            match self.core.flights.join(&self.spec.names.record, self.label.as_ref(), &run) {
                Join::Lead(lead) => {
                    if let Some(caller) = caller.upgrade() {
                        caller.lead();
                    }
                    return self.lead(lead, &caller).await;
                }
                Join::Follow(follower) => {
                    let patience = Tick::now().until(self.deadline);
                    match tokio::time::timeout(patience, self.follow(follower, &caller)).await {
                        Ok(Ok(Some(landing))) => return Ok(Start::Landed(landing)),
                        // The leader has gone: whoever is first now leads.
                        Ok(Ok(None)) => {}
                        Ok(Err(cycle)) => return Err(cycle),
                        Err(_) => return Err(self.timed_out()),
                    }
                }
            }
        }
    }

    async fn lead(&self, lead: Lead, caller: &Weak<Caller>) -> Result<Start> {
        if self.reaches_only(Reach::Process) {
            return Ok(self.lead_unlocked(lead, caller));
        }
        let wanted = self.label.clone().map(|label| Wanted { label, distrust: self.distrust.clone() });
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        let attempt = Attempt::new(core, spec, Policy::CACHED, Tick::now().until(self.deadline));
        if let Some(landing) = self.hit().await {
            self.core.unshared.remove(&self.spec.names.record);
            lead.land(landing.clone());
            return Ok(Start::Landed(landing));
        }
        let attempt = attempt.called_by(caller).fetching(wanted, &self.caching);
        let landing = match self.telling(attempt.run(), || self.tell_holder()).await {
            Ok(Outcome::Entered(guard)) => return Ok(Start::Lead(Leader { guard, role: Role::First(lead) })),
            Ok(Outcome::TurnedAway(_)) => Landing::Done,
            Ok(Outcome::Fetched(Fetched::Value { payload, record, .. })) => {
                self.core.store.hints().note(&self.spec.names.record, true);
                self.core.unshared.remove(&self.spec.names.record);
                Landing::Value { payload, record: Some(record.into()) }
            }
            Ok(Outcome::Fetched(Fetched::Renew { payload, record, mark })) => {
                lead.land(Landing::Value { payload: payload.clone(), record: None });
                return Ok(Start::Lead(Leader {
                    guard: mark,
                    role: Role::Renews { seen: record, old: payload },
                }));
            }
            Ok(Outcome::Fetched(Fetched::Noted(Note::Failed(failure)))) => {
                self.stale().await.unwrap_or(Landing::Failed(failure))
            }
            Ok(Outcome::Fetched(Fetched::Noted(Note::NotShared { reach, lasts }))) => {
                if lasts {
                    self.will_reach_only(reach, false);
                }
                if reach == Reach::Process {
                    return Ok(self.lead_unlocked(lead, caller));
                }
                Landing::Unshared
            }
            // Only this caller's time is over, or only its wait would close a cycle; dropped without landing, the flight has
            // another leader.
            Err(error) if matches!(error.kind(), ErrorKind::Contended | ErrorKind::Misuse) => {
                return Err(error);
            }
            Err(error) => Landing::Error(error),
        };
        lead.land(landing.clone());
        Ok(Start::Landed(landing))
    }

    /// Computes for the callers of this process alone, since nobody else will be given the value.
    fn lead_unlocked(&self, lead: Lead, caller: &Weak<Caller>) -> Start {
        if let Some(caller) = caller.upgrade() {
            caller.granted_unlocked();
        }
        let guard = Guard::unlocked(&self.core, &self.spec);
        Start::Lead(Leader { guard, role: Role::First(lead) })
    }

    /// The last good value, where a failure is to be bridged by it.
    async fn stale(&self) -> Option<Landing> {
        self.caching.stale_if_error?;
        let last_good = self.last_good().await?;
        tracing::warn!(target: "dspinlock", key = %self.spec.key, "computing failed; serving the last good value");
        Some(last_good)
    }

    fn timed_out(&self) -> Error {
        let what = "another caller in this process is still computing the value; gave up waiting for it";
        self.spec.error(ErrorKind::Contended, what)
    }

    /// The error of a caller that waited for a computation which failed.
    pub(crate) fn leader_failed(&self, failure: &Failure) -> Error {
        let what = format!("the caller that computed the value failed: {}", failure.message);
        self.spec.error(ErrorKind::LeaderFailed, &what).with_holder(failure.holder.clone())
    }
}

/// What a computation gave.
pub(crate) enum Verdict {
    /// A value to store and to share.
    Store(Payload),
    /// A value that is not stored, and shared in this process where that is possible; `lasts` where the next one is likely
    /// to be like it.
    Unstored {
        payload: Option<Payload>,
        lasts: bool,
    },
    /// No value, but the work is done.
    Done,
    Failed(Failure),
}

/// The caller that computes.
pub(crate) struct Leader {
    // Before the flight: whoever succeeds this leader finds the lock given back, or on its way.
    guard: Guard,
    role: Role,
}

enum Role {
    /// Nothing usable is there, and others wait.
    First(Lead),
    /// The old value is still being served.
    Renews { seen: Vec<u8>, old: Payload },
}

impl Leader {
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Publishes what came of the computation. The payload is what the caller returns in place of its own failure.
    ///
    /// # Errors
    ///
    /// The loss of the lock, where the caller minds it: then nothing is shared, and another caller takes over.
    pub(crate) async fn finish(self, wish: Wish, verdict: Verdict) -> Result<Option<Payload>> {
        match self.role {
            Role::First(lead) => {
                let failed = matches!(verdict, Verdict::Failed(_));
                let (ending, landing) = wish.plan(&self.guard, verdict);
                // Before the holding ends: its lease is renewed meanwhile.
                let ending = wish.send_ahead(&self.guard, ending).await;
                let is_stored = matches!(ending, Ending::Publish { .. });
                let ended = self.guard.end(ending).await;
                if failed {
                    if let Err(error) = ended {
                        tracing::warn!(target: "dspinlock", %error, "the body failed, and giving the lock back failed as well");
                    }
                } else if let Some(loss) = wish.on_lost.minds(ended) {
                    return Err(loss);
                }
                wish.core.store.hints().note(&wish.spec.names.record, is_stored);
                let landing = match landing {
                    Some(Landing::Failed(failure)) => {
                        Some(wish.stale().await.unwrap_or(Landing::Failed(failure)))
                    }
                    landing => landing,
                };
                let Some(landing) = landing else { return Ok(None) };
                lead.land(landing.clone());
                Ok(match landing {
                    Landing::Value { payload, .. } if failed => Some(payload),
                    _ => None,
                })
            }
            Role::Renews { seen, old } => {
                if let Verdict::Store(payload) = &verdict {
                    wish.replace(&self.guard, &seen, payload).await;
                }
                // The mark is removed with the replacement, or by this.
                drop(self.guard);
                Ok(matches!(verdict, Verdict::Failed(_)).then_some(old))
            }
        }
    }
}

impl Wish {
    /// How the holding ends, and what the callers of this process get.
    fn plan(&self, guard: &Guard, verdict: Verdict) -> (Ending, Option<Landing>) {
        match verdict {
            Verdict::Store(payload) if guard.handle().is_unlocked() => {
                // It could be stored, so that the next caller takes the lock for that.
                self.core.unshared.can_be_stored(&self.spec.names.record);
                (Ending::Release, Some(Landing::Value { payload, record: None }))
            }
            Verdict::Store(payload) => match self.seal(guard, &payload) {
                Some((value, life)) => {
                    // If the server refuses it, that is said after this.
                    self.core.unshared.remove(&self.spec.names.record);
                    (Ending::Publish { value, life }, Some(Landing::Value { payload, record: None }))
                }
                None => (Ending::Release, Some(Landing::Value { payload, record: None })),
            },
            Verdict::Unstored { payload, lasts } => {
                let reach = if payload.is_some() { Reach::Process } else { Reach::Caller };
                let landing = payload.map(|payload| Landing::Value { payload, record: None });
                (self.unstored(guard, reach, lasts, false), Some(landing.unwrap_or(Landing::Unshared)))
            }
            Verdict::Done => (Ending::Release, Some(Landing::Done)),
            Verdict::Failed(failure) => {
                let Some(tag) = &guard.grant().tag else {
                    return (Ending::Abandon, Some(Landing::Failed(failure)));
                };
                let err_expire = self.caching.err_expire;
                let note = failure.note(tag, self.server_time_in(err_expire), &self.mark());
                let life = NOTE_LIFE.max(err_expire.unwrap_or_default());
                // Those who wait in this process are told what the others read.
                let landing = match Note::read(&note, &self.spec.names.separator) {
                    Note::Failed(failure) => Landing::Failed(failure),
                    Note::NotShared { .. } => Landing::Unshared,
                };
                (Ending::Fail { note, life }, Some(landing))
            }
        }
    }

    /// Sends a value ahead that is too large to go with the release. What the server does not take is shared as far as this
    /// process goes, and the lock is given back all the same.
    async fn send_ahead(&self, guard: &Guard, ending: Ending) -> Ending {
        let Ending::Publish { value: Sent::With(envelope), life } = ending else { return ending };
        match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => Ending::Publish { value, life },
            Err(refusal) => {
                self.core.not_stored(&self.spec, &refusal.why);
                self.unstored(guard, Reach::Process, refusal.lasts, true)
            }
        }
    }

    /// How a holding ends that has come to a value which is not stored.
    fn unstored(&self, guard: &Guard, reach: Reach, lasts: bool, refused: bool) -> Ending {
        if lasts {
            self.will_reach_only(reach, refused);
        }
        let Some(tag) = &guard.grant().tag else { return Ending::Abandon };
        let till = self.server_time_in(lasts.then_some(RETRY));
        let note = Note::not_shared(reach, tag, till, &self.mark());
        Ending::Fail { note, life: NOTE_LIFE.max(RETRY) }
    }

    /// The mark of the value, or nothing where there is none.
    fn mark(&self) -> String {
        self.label.as_ref().map(Label::mark).unwrap_or_default()
    }

    /// The server's time so long from now; zero where it is not known, or there is no such moment.
    fn server_time_in(&self, rest: Option<Duration>) -> ServerTime {
        self.core.store.estimate(Tick::now()).zip(rest).map(|(now, rest)| now + rest).unwrap_or_default()
    }

    fn seal(&self, guard: &Guard, payload: &Payload) -> Option<(Sent, Duration)> {
        let (label, expire) = (self.label.as_ref()?, self.spec.options.expire?);
        let tag = guard.grant().tag.as_ref()?;
        let until = self.server_time_in(Some(expire));
        let envelope = label.seal(tag, &self.spec.names.separator, until, payload);
        Some((Sent::With(envelope.into()), expire + self.caching.stale_if_error.unwrap_or_default()))
    }

    /// Puts a new value in the place of one that is about to expire.
    async fn replace(&self, guard: &Guard, seen: &[u8], payload: &Payload) {
        let (Some(tag), Some((Sent::With(envelope), life))) = (&guard.grant().tag, self.seal(guard, payload))
        else {
            return;
        };
        let value = match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => value,
            Err(refusal) => return self.core.not_stored(&self.spec, &refusal.why),
        };
        let release = Release {
            names: &self.spec.names,
            tag,
            expire: self.spec.options.expire,
            fence_life: self.spec.options.fence_life(),
            caller: &self.core.id,
            value: Some((&value, life)),
        };
        match self.core.store.call(&Refresh { release, seen }).await {
            Ok(Released::Refused(why)) => self.core.not_stored(&self.spec, &why),
            Ok(reply) => {
                self.core.overtake(&self.spec.names.record);
                tracing::debug!(target: "dspinlock", key = %self.spec.key, ?reply, "computed anew ahead of time");
            }
            Err(error) => {
                tracing::warn!(target: "dspinlock", %error, "could not publish the value computed ahead of time");
            }
        }
    }
}
