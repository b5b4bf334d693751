//! The requests of an attempt, and what becomes of it by their replies.

use crate::clock::{ServerTime, Tick};
use crate::engine::attempt::{Attempt, Fetched, Next, Outcome, Turnout};
use crate::engine::grant::Grant;
use crate::engine::guard::Guard;
use crate::engine::pending::{Pending, take_back_after};
use crate::engine::spec::Spec;
use crate::engine::spin::{Moment, Refusal, Step};
use crate::error::{ErrorKind, Result};
use crate::format::record::{Tag, owner};
use crate::format::scheme::Turn;
use crate::store::{Acquire, Acquired, Fetch, Notify, Replace};
use std::sync::Arc;
use std::time::Duration;

/// How far apart the waiters for one expiry may wake up.
const JITTER_MILLIS: u64 = 25;

impl Attempt {
    /// Makes the next request, and arms its compensation.
    pub(super) fn prepare(&mut self, now: ServerTime, in_line: bool) -> Request {
        self.attempts += 1;
        // A new id each time, so that taking back one request never takes another one's lock, whatever a scheme makes of
        // the rest; and a new timestamp: Python judges the age of a record by it.
        let id = uuid::Uuid::new_v4().to_string();
        let turn = Turn { id, owner: owner(self.spec.function), timestamp: now.to_string() };
        let tag = Tag::new(self.spec.scheme.tag(&turn), &self.spec.names.separator);
        let not_after = now + self.core.store.patience();
        let marks = self.fetch.as_ref().is_some_and(|fetch| fetch.refresh_ahead.is_some());
        Request {
            sent: Tick::now(),
            not_after,
            // Something may have ended the sleep before.
            replace: self.next.replace.take_if(|_| Tick::now() >= self.next.at),
            in_line,
            // Where nobody stood in line just now there is nobody to hand the lock to. Tokens that are reserved for nobody
            // would run ahead of the clock, which is all that is left of them when the keys are lost.
            reserve: if in_line { self.spec.handoffs() } else { 0 },
            pending: Pending::new(Arc::clone(&self.core), Arc::clone(&self.spec), tag, not_after, marks),
        }
    }

    /// Takes in the server's time, at once: what comes with the reply may take longer.
    pub(super) fn learn(&self, request: &Request, reply: &Result<Acquired>) {
        if let Some(now) = reply.as_ref().ok().and_then(Acquired::now) {
            self.core.store.learn(now, request.sent);
        }
    }

    /// Takes in the reply, with what the spin makes of it.
    pub(super) fn take(
        &mut self,
        request: Request,
        reply: Result<Acquired>,
        notify: Notify,
    ) -> Result<Turnout> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                request.pending.take_back();
                return Err(self.spec.name(error).with_effort(self.waited(), self.attempts));
            }
        };
        let (reply, repeated) = reply.unwrap_repeated();
        if let (Some(fetch), Acquired::Held { raw, .. }) = (&mut self.fetch, &reply) {
            fetch.waited_for = raw.ends_with(b"0").then(|| raw.clone());
        }
        let granted_for = Tick::now() - request.sent;
        if matches!(reply, Acquired::Granted { .. }) && granted_for >= self.spec.options.first_lease() {
            // The grant took longer than it lasts.
            request.pending.take_back();
            self.spin.too_slow(Tick::now()).map_err(|refusal| self.refuse(refusal))?;
            tracing::warn!(target: "dspinlock", key = %self.spec.key, "the grant came when its lease was spent");
            self.next = Next { at: Tick::now(), replace: None };
            return Ok(Turnout::Sleep);
        }
        let taken = matches!(reply, Acquired::Unconfirmed { .. } | Acquired::Refresh { .. });
        let jitter = Duration::from_millis(fastrand::u64(1..=JITTER_MILLIS));
        let moment = Moment { sent: request.sent, now: Tick::now(), jitter, notify };
        match self.spin.next(reply, &self.spec.names.separator, moment) {
            Ok(Step::Enter { fence }) => {
                let (spec, handoffs) = (Arc::clone(&self.spec), request.reserve);
                let guard = self.granted(request, spec, fence, handoffs, repeated)?;
                tracing::debug!(
                    target: "dspinlock", key = %self.spec.key, fence, attempts = self.attempts,
                    waited = ?self.waited(), "entered"
                );
                Ok(Turnout::Done(Outcome::Entered(guard)))
            }
            Ok(Step::RefreshAhead { stored, fence }) => {
                let spec = Arc::new(self.spec.of_the_mark());
                let mark = self.granted(request, spec, fence, 0, repeated)?;
                Ok(fetched(Fetched::RefreshAhead { stored, mark }))
            }
            step => {
                // What was taken is not needed. Where two requests were sent, one may still be on its way.
                if repeated || taken {
                    request.pending.take_back();
                } else {
                    request.pending.settle();
                }
                self.go_on(step)
            }
        }
    }

    /// The guard of the lock that the request was granted.
    fn granted(
        &self,
        request: Request,
        spec: Arc<Spec>,
        fence: u64,
        handoffs: u32,
        repeated: bool,
    ) -> Result<Guard> {
        let grant = Arc::new(Grant::new(spec, request.pending.settle(), fence, request.sent, handoffs));
        self.core.renewer.add(&grant);
        if repeated {
            take_back_after(Arc::clone(&self.core), Arc::clone(&grant), request.not_after);
        }
        let guard = Guard::new(&self.core, grant);
        // Shut down just now, perhaps after a look at what is held: the guard's drop gives it back.
        self.check_open()?;
        Ok(guard)
    }

    /// What follows from a step that took nothing.
    fn go_on(&mut self, step: Result<Step, Refusal>) -> Result<Turnout> {
        match step {
            Ok(Step::TurnedAway(record)) => Ok(Turnout::Done(Outcome::TurnedAway(record))),
            Ok(Step::Take(stored)) => Ok(fetched(Fetched::Value(stored))),
            Ok(Step::Noted(note)) => Ok(fetched(Fetched::Noted(note))),
            Ok(Step::Again { at, replace }) => {
                tracing::trace!(target: "dspinlock", key = %self.spec.key, attempts = self.attempts, "waiting");
                self.next = Next { at, replace };
                Ok(Turnout::Sleep)
            }
            Ok(Step::Enter { .. } | Step::RefreshAhead { .. }) => unreachable!("these are granted"),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    pub(super) fn refuse(&self, refusal: Refusal) -> crate::Error {
        let (waited, attempts) = (self.waited(), self.attempts);
        let error = match refusal {
            Refusal::Contended(record) => {
                let mut what =
                    format!("held by somebody else; gave up after {waited:.1?} and {attempts} attempt(s)");
                // An annotated function that would wait for itself is refused before it waits.
                if self.spec.function.is_none()
                    && record.as_ref().is_some_and(|record| record.holder() == owner(None))
                {
                    what += "; this process holds it, so if the caller does, it shares the turn by `guard.nested()`";
                }
                self.spec.error(ErrorKind::Contended, &what).with_holder(record.map(|record| record.holder()))
            }
            Refusal::KeyExists(record) => {
                let what = format!("the key exists already ({:?}), and `fail_if_key_exists` is on", record.state);
                self.spec.error(ErrorKind::KeyExists, &what).with_holder(Some(record.holder()))
            }
            Refusal::Foreign(found) => self.spec.foreign(&found),
            Refusal::StrangeFence(kind) => self.spec.strange_fence(&kind),
            Refusal::Clock => self.spec.error(
                ErrorKind::Backend,
                "the server's clock is ahead of what it told us, again and again; every request came too late",
            ),
            Refusal::Slow => self.spec.error(
                ErrorKind::Backend,
                "the server's grant took longer to come than its lease lasts; make `lease` longer",
            ),
            Refusal::Unconfirmed(by) => {
                let asked = self.spec.options.replicas.map_or(0, |replicas| replicas.count);
                let what = format!(
                    "{by} of {asked} replica(s) have confirmed the grant in time, so it was given back"
                );
                self.spec.error(ErrorKind::Backend, &what)
            }
            Refusal::Spent => self.spec.error(ErrorKind::Misuse, "the scheme gave two turns the same tag"),
        };
        error.with_effort(waited, attempts)
    }
}

fn fetched(fetched: Fetched) -> Turnout {
    Turnout::Done(Outcome::Fetched(fetched))
}

/// A request on its way.
pub(super) struct Request {
    sent: Tick,
    not_after: ServerTime,
    replace: Option<Replace>,
    /// Whether the caller is the first of those of this process that wait.
    in_line: bool,
    /// How many fencing tokens are to be reserved for the next of them.
    reserve: u32,
    pending: Pending,
}

impl Request {
    pub(super) fn acquire<'a>(&'a self, attempt: &'a Attempt) -> Acquire<'a> {
        let options = &attempt.spec.options;
        Acquire {
            names: &attempt.spec.names,
            tag: self.pending.tag(),
            lease: options.first_lease(),
            fence_life: options.fence_life(),
            not_after: self.not_after,
            relock: attempt.spin.relocks(),
            replace: self.replace.as_ref(),
            reserve: self.reserve,
            waiting: self.in_line.then_some(&attempt.core.id),
            replicas: options.replicas,
            fetch: attempt.fetch.as_ref().map(|fetch| Fetch {
                waited_for: fetch.waited_for.as_deref(),
                mark: &fetch.mark,
                refresh_ahead: fetch.refresh_ahead,
            }),
        }
    }
}
