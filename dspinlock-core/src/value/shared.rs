//! A value that many callers want: who computes it, and how it reaches the others. Nothing here knows its type.

use super::{Failure, Join, Label, Landing, Lead, Payload, landed};
use crate::attempt::{Attempt, Fetched, Outcome};
use crate::client::Core;
use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::hold::Ending;
use crate::loss::OnLost;
use crate::options::MAX_DURATION;
use crate::outage::{Fallback, OnOutage};
use crate::spec::Spec;
use crate::spin::{Distrust, Policy, Wanted};
use crate::store::{Refresh, Release, Released, Sent};
use std::sync::Arc;
use std::time::Duration;

/// How long the note of a failure waits for those who waited, at the least.
const NOTE_LIFE: Duration = Duration::from_secs(10);

/// How a value is kept, beside what the lock's options say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caching {
    /// In the last so much of its life, one caller computes it anew while the others are served the old one.
    pub(crate) refresh_ahead: Option<Duration>,
    /// For so long after its life, it is served where computing it anew fails.
    pub(crate) stale_if_error: Option<Duration>,
    /// For so long, a failure is the answer to everybody.
    pub(crate) err_expire: Option<Duration>,
    /// For so long, a copy may be served from this process.
    pub(crate) local: Option<Duration>,
    /// A value of more bytes is not stored.
    pub(crate) max_value: usize,
}

impl Caching {
    pub(crate) const fn new() -> Self {
        Self { refresh_ahead: None, stale_if_error: None, err_expire: None, local: None, max_value: 64 << 20 }
    }

    /// Refuses what can't be used beside a value's life.
    pub(crate) fn validate(&self, expire: Option<Duration>) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        let named = [
            ("refresh_ahead", self.refresh_ahead),
            ("stale_if_error", self.stale_if_error),
            ("err_expire", self.err_expire),
            ("local", self.local),
        ];
        for (name, duration) in named {
            match duration {
                Some(Duration::ZERO) => {
                    return refuse(format!(
                        "`{name}` is zero; leave it out or write at least one millisecond"
                    ));
                }
                Some(long) if long > MAX_DURATION => {
                    return refuse(format!("`{name}` is {long:?}, above the limit of 365 days"));
                }
                _ => {}
            }
        }
        match self.refresh_ahead.zip(expire) {
            Some((ahead, expire)) if ahead >= expire => refuse(format!(
                "`refresh_ahead` is {ahead:?} and `expire` {expire:?}: a value would be computed anew as soon as it is there"
            )),
            _ => Ok(()),
        }
    }
}

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
        let deadline = Tick::now() + spec.options.wait_budget();
        Self { core, spec, label, caching, deadline, on_lost, on_outage, distrust: Distrust::Nothing }
    }

    /// The way in without the lock.
    pub(crate) fn fallback(&self) -> Fallback {
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        Fallback { core, spec, on_outage: self.on_outage }
    }

    /// The copy of the value that this process has, if it may be served.
    pub(crate) fn local(&self) -> Option<Landing> {
        self.caching.local?;
        let (record, label) = (&self.spec.names.record, self.label.as_ref()?);
        let payload = self.core.store.wakeups().copy(record, label, Tick::now())?;
        Some(Landing::Value { payload, record: None })
    }

    /// Joins the flight of this process, and leads it if nobody does.
    ///
    /// Dropped at any point it gives back what it may have taken, and another caller takes over.
    pub(crate) async fn start(self) -> Result<Start> {
        if self.distrust == Distrust::All {
            return self.lead(self.core.flights.alone(&self.spec.names.record)).await;
        }
        loop {
            match self.core.flights.join(&self.spec.names.record, self.label.as_ref()) {
                Join::Lead(lead) => return self.lead(lead).await,
                Join::Follow(follower) => {
                    let patience = Tick::now().until(self.deadline);
                    match tokio::time::timeout(patience, landed(follower)).await {
                        Ok(Some(landing)) => return Ok(Start::Landed(landing)),
                        // The leader has gone: whoever is first now leads.
                        Ok(None) => {}
                        Err(_) => return Err(self.timed_out()),
                    }
                }
            }
        }
    }

    async fn lead(&self, lead: Lead) -> Result<Start> {
        let wanted = self.label.clone().map(|label| Wanted { label, distrust: self.distrust.clone() });
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        let attempt = Attempt::new(core, spec, Policy::CACHED, Tick::now().until(self.deadline));
        if let Some(landing) = self.hit().await {
            lead.land(landing.clone());
            return Ok(Start::Landed(landing));
        }
        let landing = match attempt.fetching(wanted, &self.caching).run().await {
            Ok(Outcome::Entered(guard)) => return Ok(Start::Lead(Leader { guard, role: Role::First(lead) })),
            Ok(Outcome::TurnedAway(_)) => Landing::Done,
            Ok(Outcome::Fetched(Fetched::Value { payload, record, .. })) => {
                self.core.store.hints().note(&self.spec.names.record, true);
                Landing::Value { payload, record: Some(record.into()) }
            }
            Ok(Outcome::Fetched(Fetched::Renew { payload, record, mark })) => {
                lead.land(Landing::Value { payload: payload.clone(), record: None });
                return Ok(Start::Lead(Leader {
                    guard: mark,
                    role: Role::Renews { seen: record, old: payload },
                }));
            }
            Ok(Outcome::Fetched(Fetched::Failed(failure))) => {
                self.stale().await.unwrap_or(Landing::Failed(failure))
            }
            // Only this caller's time is over; dropped without landing, the flight has another leader.
            Err(error) if error.kind() == ErrorKind::Contended => return Err(error),
            Err(error) => Landing::Error(error),
        };
        lead.land(landing.clone());
        Ok(Start::Landed(landing))
    }

    /// The last good value, where a failure is to be bridged by it.
    async fn stale(&self) -> Option<Landing> {
        self.caching.stale_if_error.filter(|_| self.distrust != Distrust::All)?;
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
    /// A value that may be shared with those who wait, and not stored.
    Share(Payload),
    /// A value that could not even be encoded.
    Keep,
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
                let ending = wish.send_ahead(ending).await;
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
            Verdict::Store(payload) => match self.seal(guard, &payload) {
                Some((value, life)) => {
                    (Ending::Publish { value, life }, Some(Landing::Value { payload, record: None }))
                }
                None => (Ending::Release, Some(Landing::Value { payload, record: None })),
            },
            Verdict::Share(payload) => (Ending::Abandon, Some(Landing::Value { payload, record: None })),
            Verdict::Keep => (Ending::Abandon, None),
            Verdict::Done => (Ending::Release, Some(Landing::Done)),
            Verdict::Failed(failure) => {
                let tag = &guard.hold().tag;
                let err_expire = self.caching.err_expire;
                let till =
                    self.core.store.estimate(Tick::now()).zip(err_expire).map(|(now, rest)| now + rest);
                let note = failure.note(tag, till.unwrap_or_default());
                let life = NOTE_LIFE.max(err_expire.unwrap_or_default());
                // Those who wait in this process are told what the others read.
                let failure = Failure::read(&note, &self.spec.names.separator);
                (Ending::Fail { note, life }, Some(Landing::Failed(failure)))
            }
        }
    }

    /// Sends a value ahead that is too large to go with the release. Where the server does not take it, the lock is given back
    /// as if nothing had been computed, and the callers of this process share the value all the same.
    async fn send_ahead(&self, ending: Ending) -> Ending {
        let Ending::Publish { value: Sent::With(envelope), life } = ending else { return ending };
        match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => Ending::Publish { value, life },
            Err(error) => {
                self.spec.not_stored(&error);
                Ending::Abandon
            }
        }
    }

    fn seal(&self, guard: &Guard, payload: &Payload) -> Option<(Sent, Duration)> {
        let (label, expire) = (self.label.as_ref()?, self.spec.options.expire?);
        let envelope = label.seal(&guard.hold().tag, &self.spec.names.separator, payload.bytes());
        Some((Sent::With(envelope.into()), expire + self.caching.stale_if_error.unwrap_or_default()))
    }

    /// Puts a new value in the place of one that is about to expire.
    async fn replace(&self, guard: &Guard, seen: &[u8], payload: &Payload) {
        let Some((Sent::With(envelope), life)) = self.seal(guard, payload) else { return };
        let value = match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => value,
            Err(error) => return self.spec.not_stored(&error),
        };
        let release = Release {
            names: &self.spec.names,
            tag: &guard.hold().tag,
            expire: self.spec.options.expire,
            fence_life: self.spec.options.fence_life(),
            caller: &self.core.id,
            value: Some((&value, life)),
        };
        match self.core.store.call(&Refresh { release, seen }).await {
            Ok(Released::Refused(why)) => self.spec.not_stored(&why),
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
