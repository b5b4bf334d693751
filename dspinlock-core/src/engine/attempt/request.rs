//! The requests of an attempt, and what their replies lead to.

use crate::clock::{ServerTime, Tick};
use crate::engine::attempt::{Attempt, Fetched, NextRequest, Outcome, Progress};
use crate::engine::grant::Grant;
use crate::engine::guard::Guard;
use crate::engine::pending::{NotAfter, Pending, take_back_after};
use crate::engine::probe::Event;
use crate::engine::spin::{Moment, Refusal, Step};
use crate::engine::trouble::jitter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::record::{Record, State, Tag, owner};
use crate::format::scheme::Turn;
use crate::store::{Acquire, Acquired, Clock, Fetch, Listener, Notify, Replace};
use std::sync::Arc;

impl Attempt {
    /// Sends the next request, awaits the reply and all of the value that comes with it, and takes them in.
    pub(super) async fn ask(&mut self, listener: Option<&mut Listener>, is_queued: bool) -> Result<Progress> {
        let core = Arc::clone(&self.core);
        let time = match self.server_time().await {
            Ok(time) => time,
            Err(error) => return self.failed(error),
        };
        let request = self.prepare(time, is_queued);
        let (reply, notify) = match listener {
            Some(listener) => {
                listener.attend();
                core.store.call_tracked(&request.acquire(self)).await
            }
            None => (core.store.call(&request.acquire(self)).await, Notify::NotAsked),
        };
        let reply = self.complete(reply).await;
        self.take(request, reply, notify)
    }

    /// The server's clock, and the time on it. Only the first call asks the server, on the library's own thread.
    pub(super) async fn server_time(&self) -> Result<(Arc<Clock>, ServerTime)> {
        loop {
            let clock = self.core.store.clock(&self.spec.names);
            if let Some(now) = clock.at(Tick::now()) {
                return Ok((clock, now));
            }
            let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
            self.core.worker.attend(async move { core.store.now(&spec.names).await }).await?;
        }
    }

    /// Reads on where a reply has only the beginning of the value.
    async fn complete(&self, reply: Result<Acquired>) -> Result<Acquired> {
        let mut reply = reply?;
        let fetch = self.fetch.as_ref();
        if let Some((fetch, label)) = fetch.and_then(|fetch| Some((fetch, fetch.label.as_ref()?)))
            && let Some((record, value)) = reply.value()
            && let Some(part) = value.take()
        {
            let part = (part, record);
            let complete = self.core.store.complete(&self.spec.names, label, part, fetch.caching.max_value);
            // What the failed read did says nothing of the acquire before it.
            *value = complete.await.map_err(|error| error.again())?;
        }
        Ok(reply)
    }

    /// Makes the next request, and arms its compensation: from now on it is pending.
    pub(super) fn prepare(&mut self, (clock, now): (Arc<Clock>, ServerTime), is_queued: bool) -> Request {
        self.attempts += 1;
        // A new id, so that taking back one request never takes away the lock of another, whatever else a scheme puts
        // into the tag. A new timestamp, since Python judges the age of a record by it.
        let id = uuid::Uuid::new_v4().to_string();
        let owner = owner(self.core.store.process(), self.spec.function);
        let turn = Turn { id, owner, timestamp: now.isoformat() };
        let tag = Tag::new(self.spec.scheme.tag(&turn), &self.spec.names.separator);
        let patience = self.core.store.patience();
        let not_after = NotAfter { at: now + patience, clock, patience };
        Request {
            sent: Tick::now(),
            // A wake-up may have come before the record may be replaced.
            replace: self.next.replace.take_if(|_| Tick::now() >= self.next.at),
            is_queued,
            // Without a queue there is nobody to hand the lock off to. Tokens reserved without need would run ahead of
            // the clock, from which they start again when the keys are lost.
            reserve: if is_queued { self.spec.handoffs() } else { 0 },
            pending: Pending::new(Arc::clone(&self.core), Arc::clone(&self.spec), tag, not_after),
        }
    }

    /// Takes in the reply, and does what the spin makes of it.
    ///
    /// Every way out of here and of [`follow`](Self::follow) ends the pending request: it is settled, or taken back.
    pub(super) fn take(
        &mut self,
        request: Request,
        reply: Result<Acquired>,
        notify: Notify,
    ) -> Result<Progress> {
        let (reply, repeated) = match reply {
            Ok(reply) => reply.unwrap_repeated(),
            Err(error) => {
                if error.is_untouched() {
                    request.pending.settle();
                } else {
                    request.pending.take_back();
                }
                return self.failed(error);
            }
        };
        if let (Some(fetch), Acquired::Held { raw, .. }) = (&mut self.fetch, &reply) {
            fetch.waited_for = raw.ends_with(b"0").then(|| raw.clone());
        }
        let granted_for = Tick::now() - request.sent;
        if matches!(reply, Acquired::Granted { .. }) && granted_for >= self.spec.options.first_lease() {
            request.pending.take_back();
            return self.lease_was_spent();
        }
        self.follow(request, reply, repeated, notify)
    }

    /// Has the request sent again after a failure that passes by itself, while the caller waits.
    pub(super) fn failed(&mut self, mut error: Error) -> Result<Progress> {
        if error.passes() {
            if let Some(at) = self.spin.in_trouble(Tick::now(), jitter()) {
                tracing::debug!(target: "dspinlock", key = %self.spec.key, %error, "asking again");
                self.next = NextRequest { at, replace: None };
                return Ok(Progress::Sleep);
            }
            error = self.spin.given_up(error, Tick::now());
        }
        let error = self.spec.name(error).with_effort(self.waited(), self.attempts);
        self.core.tell(&self.spec, Event::Refused(&error));
        Err(error)
    }

    /// Does the step that follows from a reply. `repeated` says that the request was sent twice.
    fn follow(
        &mut self,
        request: Request,
        reply: Acquired,
        repeated: bool,
        notify: Notify,
    ) -> Result<Progress> {
        // What the server has taken, or may still take by the first of two requests. A step that enters uses it.
        let to_take_back = repeated || matches!(reply, Acquired::Unconfirmed { .. });
        let moment = Moment { sent: request.sent, now: Tick::now(), jitter: jitter(), notify };
        let holder = self.holder_for_the_log(&reply, request.sent);
        let is_stale = request.replace.as_ref().is_some_and(|replace| replace.life_at_most.is_some());
        let progress = match self.spin.next(reply, &self.spec.names.separator, moment) {
            Ok(Step::Enter { fence }) => {
                let sent = request.sent;
                let guard = self.granted(request, fence, repeated)?;
                if let Some((holder, _)) = self.told.holder.take_if(|(_, ends)| is_stale || sent >= *ends) {
                    tracing::debug!(
                        target: "dspinlock", key = %self.spec.key, function = self.spec.function, fence, holder,
                        "taken over: the holder did not give it back in time"
                    );
                }
                tracing::debug!(
                    target: "dspinlock", key = %self.spec.key, function = self.spec.function, fence,
                    attempts = self.attempts, waited = ?self.waited(), "entered"
                );
                return Ok(Progress::Done(Outcome::Entered(guard)));
            }
            Ok(Step::TurnedAway(record)) => {
                self.core.tell(&self.spec, Event::TurnedAway(&record));
                tracing::debug!(
                    target: "dspinlock", key = %self.spec.key, function = self.spec.function, state = ?record.state, holder,
                    attempts = self.attempts, waited = ?self.waited(), "turned away"
                );
                Ok(Progress::Done(Outcome::TurnedAway(record)))
            }
            Ok(Step::Take(stored)) => Ok(fetched(Fetched::Value { stored, awaited: self.attempts > 1 })),
            Ok(Step::Noted(note)) => Ok(fetched(Fetched::Noted(note))),
            Ok(Step::Again { at, replace }) => {
                self.waiting.begin(&self.spec.subject);
                self.tell_of_waiting(holder.as_deref());
                tracing::trace!(
                    target: "dspinlock", key = %self.spec.key, function = self.spec.function, holder,
                    attempts = self.attempts, "looked again"
                );
                self.next = NextRequest { at, replace };
                Ok(Progress::Sleep)
            }
            Err(refusal) => Err(self.refuse(refusal)),
        };
        if to_take_back {
            request.pending.take_back();
        } else {
            request.pending.settle();
        }
        progress
    }

    /// Logs whom this attempt waits for: at first, and once after as long as a lease.
    fn tell_of_waiting(&mut self, holder: Option<&str>) {
        if !std::mem::replace(&mut self.told.waits, true) {
            tracing::debug!(
                target: "dspinlock", key = %self.spec.key, function = self.spec.function, holder, "waiting"
            );
        }
        // Of a value, the request warns.
        if self.fetch.is_some() || self.told.waits_long || self.waited() < self.spec.options.lease {
            return;
        }
        self.told.waits_long = true;
        tracing::info!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function, holder,
            attempts = self.attempts, waited = ?self.waited(), "still waiting for the lock"
        );
    }

    /// Who holds the lock, if anybody does and anybody wants to read it.
    fn holder_for_the_log(&mut self, reply: &Acquired, sent: Tick) -> Option<String> {
        let Acquired::Held { raw, remaining, .. } = reply else { return None };
        if !tracing::enabled!(target: "dspinlock", tracing::Level::INFO) {
            return None;
        }
        let record = Record::parse(raw, &self.spec.names.separator).ok()?;
        let ends = remaining.filter(|_| record.state == State::Blocked).map(|remaining| sent + remaining);
        self.told.holder = ends.map(|ends| (record.holder(), ends));
        Some(record.holder())
    }

    /// Asks again after a grant that came when its lease was spent, and was taken back.
    fn lease_was_spent(&mut self) -> Result<Progress> {
        self.spin.too_slow(Tick::now()).map_err(|refusal| self.refuse(refusal))?;
        tracing::warn!(target: "dspinlock", key = %self.spec.key, "the grant came when its lease was spent");
        self.next = NextRequest { at: Tick::now(), replace: None };
        Ok(Progress::Sleep)
    }

    /// The guard of the lock that the request was granted.
    fn granted(&self, request: Request, fence: u64, repeated: bool) -> Result<Guard> {
        let not_after = repeated.then(|| request.pending.not_after().clone());
        let (spec, tag) = (Arc::clone(&self.spec), request.pending.settle());
        let process = self.core.store.process();
        let grant = Arc::new(Grant::new(process, spec, tag, fence, request.sent, request.reserve));
        self.core.renewer.add(&grant);
        if let Some(not_after) = not_after {
            take_back_after(Arc::clone(&self.core), Arc::clone(&grant), &not_after);
        }
        let guard = Guard::new(&self.core, grant);
        // A shutdown that began just now may not have seen the grant. Then the guard's drop gives the lock back.
        self.check_open()?;
        Ok(guard)
    }

    pub(super) fn refuse(&self, refusal: Refusal) -> Error {
        let (waited, attempts) = (self.waited(), self.attempts);
        let error = match refusal {
            Refusal::Contended(record) => {
                let tries = if attempts == 1 { "attempt" } else { "attempts" };
                let mut what =
                    format!("held by somebody else; gave up after {waited:.1?} and {attempts} {tries}");
                // Annotated functions are told of this before they wait.
                if self.spec.function.is_none()
                    && record
                        .as_ref()
                        .is_some_and(|record| record.holder() == owner(self.core.store.process(), None))
                {
                    what += "; this process holds it, so if the caller does, it shares the turn by `guard.nested()`";
                }
                self.spec.error(ErrorKind::Contended, &what).with_holder(record.map(|record| record.holder()))
            }
            Refusal::KeyExists(record) => {
                let what = match record.state {
                    State::Blocked => "held by somebody else, and `fail_if_key_exists` does not wait",
                    State::Computed => "COMPUTED already, and `fail_if_key_exists` is on",
                };
                self.spec.error(ErrorKind::KeyExists, what).with_holder(Some(record.holder()))
            }
            Refusal::Foreign(found) => self.spec.foreign(&found),
            Refusal::StrangeFence(kind) => self.spec.strange_fence(&kind),
            Refusal::Clock => self.spec.error(
                ErrorKind::Backend,
                "the server's clock keeps running ahead of the estimate, so that every request came too late; look at the clock of the \
                 server's machine",
            ),
            Refusal::Slow => self.spec.error(
                ErrorKind::Backend,
                "the server's grant took longer to come than its lease lasts; make `lease` longer",
            ),
            Refusal::Unconfirmed(by) => {
                let asked = self.spec.options.replicas.map_or(0, |replicas| replicas.count);
                let replicas = if asked == 1 { "replica" } else { "replicas" };
                let what = format!(
                    "only {by} of {asked} {replicas} confirmed the grant in time, so it was given back; look at the replication, or ask for \
                     fewer by `replicas`"
                );
                self.spec.error(ErrorKind::Backend, &what)
            }
            Refusal::Spent => self.spec.error(ErrorKind::Misuse, "the scheme gave two turns the same tag; add `turn.id` to it"),
        };
        let error = error.with_effort(waited, attempts);
        self.core.tell(&self.spec, Event::Refused(&error));
        error
    }
}

fn fetched(fetched: Fetched) -> Progress {
    Progress::Done(Outcome::Fetched(fetched))
}

/// A request on its way.
pub(super) struct Request {
    sent: Tick,
    replace: Option<Replace>,
    /// Whether the caller is the first of the local queue.
    is_queued: bool,
    /// How many fencing tokens to reserve for those behind it.
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
            not_after: self.pending.not_after().at,
            clock: Some(&self.pending.not_after().clock),
            relock: attempt.spin.relocks(),
            replace: self.replace.as_ref(),
            reserve: self.reserve,
            waiting: self.is_queued.then_some(&attempt.core.id),
            replicas: options.replicas,
            fetch: attempt
                .fetch
                .as_ref()
                .map(|fetch| Fetch { waited_for: fetch.waited_for.as_deref(), label: &fetch.label_line }),
        }
    }
}
