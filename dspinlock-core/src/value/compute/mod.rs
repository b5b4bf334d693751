//! The drivers of a shared value, async and blocking: they wait for it, or compute it and pass it on.

use crate::engine::attempt::Door;
use crate::engine::fallback::{UnlessLost, cancelled};
use crate::engine::flight::FlightResult;
use crate::engine::handle::LockHandle;
use crate::engine::probe::Event;
use crate::engine::scope::{Within, within};
use crate::engine::spin::Distrust;
use crate::engine::waits::{Caller, Run};
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::Payload;
use crate::format::note::Failure;
use crate::observe::{self, Computed, Computing, Layer, Subject};
use crate::options::OnLost;
use crate::value::publish::ComputeResult;
use crate::value::request::{Assignment, CacheRequest, Leader};
use crate::value::sharing::{Sharing, Unwritable};
use std::future::Future;
use std::sync::Arc;
use tracing::Instrument;

/// The number of undecodable values after which a caller computes its own, and waits for no other.
const MAX_UNREADABLE: u32 = 3;

/// One caller's computation of a value: what it requests, how it shares the value, and how it judges a return value.
pub(crate) struct Computation<S, J> {
    request: CacheRequest,
    sharing: S,
    judge: J,
    /// How many values could not be decoded.
    unreadable: u32,
    /// Where the result came from.
    layer: Layer,
}

/// The function's own opinion of a return value.
pub(crate) enum Judgement {
    /// A failure, with its message.
    Failed(String),
    /// A value to store.
    Keep,
    /// A value that is not stored.
    DontKeep,
}

/// What a caller does next.
enum Decision<R> {
    /// Sends the request.
    Ask,
    Return(R),
    Fail(Error),
    /// Runs the body without the lock: the server is out of reach, or the value can't be shared.
    RunUnlocked(LockHandle),
    /// Runs the body for all callers of the flight.
    Lead(Leader),
}

impl<S: Sharing, J: FnOnce(&S, &S::Return) -> Judgement> Computation<S, J> {
    pub(crate) fn new(request: CacheRequest, sharing: S, judge: J) -> Self {
        Self { request, sharing, judge, unreadable: 0, layer: Layer::Remote }
    }

    /// Returns the value, and runs `body` to compute it if no other caller has computed it or is computing it. An error in
    /// place of the computation is for `on_error`.
    pub(crate) async fn run<B: Future<Output = S::Return>>(
        computation: Result<Self>,
        body: impl FnOnce(LockHandle) -> B,
        on_error: impl FnOnce(Error) -> S::Return,
    ) -> S::Return {
        let mut computation = match computation {
            Ok(computation) => computation,
            Err(error) => return on_error(error),
        };
        let mut decision = computation.at_hand();
        if let Decision::Return(returned) = decision {
            return returned;
        }
        let request = &computation.request;
        let worker = request.core.worker.clone();
        let caller = Caller::awaiting(request.core.address(), &request.spec);
        // The body waits at one await only, and runs at one: so the future has one place for what it is before it runs and then.
        let (leader, handle) = loop {
            match decision {
                Decision::Ask => decision = computation.ask(&caller).await,
                Decision::Return(returned) => {
                    observe::cache_request(&computation.request.spec.subject, computation.layer);
                    return returned;
                }
                Decision::Fail(error) => return on_error(error),
                Decision::RunUnlocked(handle) => {
                    observe::cache_request(&computation.request.spec.subject, Layer::Miss);
                    break (None, handle);
                }
                Decision::Lead(leader) => {
                    let handle = leader.guard().handle();
                    break (Some(leader), handle);
                }
            }
        };
        handle.runs();
        // Without a lock there is none to lose.
        let on_lost = if handle.is_unlocked() { OnLost::Continue } else { computation.request.on_lost };
        let computing = Computing::begin();
        let scope = leader.as_ref().map_or_else(|| caller.unlocked(), |leader| scope_of(&caller, leader));
        let body = inside(scope, || body(handle.clone()));
        let Some(returned) = UnlessLost::new(body, &handle, on_lost).await else {
            return on_error(cancelled(&handle));
        };
        // The library's own thread does the rest.
        drop(caller);
        let Some(leader) = leader else { return returned };
        let (request, sharing, computed) = computation.compute_result(&returned, computing);
        let subject = request.spec.subject.clone();
        let stand_in = worker.finish(request.finish(leader, computed).in_current_span()).await;
        count_computation(&subject, &stand_in);
        bridge(&sharing, stand_in, returned).unwrap_or_else(on_error)
    }

    async fn ask(&mut self, caller: &Arc<Caller>) -> Decision<S::Return> {
        if let Some(stored) = self.request.small_hit(Door::Task).await {
            self.layer = Layer::Remote;
            return self.receive(FlightResult::Value(stored));
        }
        let asked = self.request.start(caller).await;
        self.decide(asked)
    }

    /// [`run`](Self::run), blocking the calling thread.
    pub(crate) fn run_blocking(
        mut self,
        body: impl FnOnce(LockHandle) -> S::Return,
        on_error: impl FnOnce(Error) -> S::Return,
    ) -> S::Return {
        let mut decision = self.at_hand();
        if let Decision::Return(returned) = decision {
            return returned;
        }
        let worker = self.request.core.worker.clone();
        let caller = Caller::blocking(self.request.core.address(), &self.request.spec);
        let leader = loop {
            decision = match decision {
                Decision::Ask => {
                    if let Some(stored) = pollster::block_on(self.request.small_hit(Door::Thread)) {
                        self.layer = Layer::Remote;
                        self.receive(FlightResult::Value(stored))
                    } else {
                        let asked = pollster::block_on(self.request.start(&caller));
                        self.decide(asked)
                    }
                }
                Decision::Return(returned) => {
                    observe::cache_request(&self.request.spec.subject, self.layer);
                    return returned;
                }
                Decision::Fail(error) => return on_error(error),
                Decision::RunUnlocked(handle) => {
                    handle.runs();
                    observe::cache_request(&self.request.spec.subject, Layer::Miss);
                    return within(caller.unlocked(), || body(handle));
                }
                Decision::Lead(leader) => break leader,
            }
        };
        let handle = leader.guard().handle();
        handle.runs();
        let computing = Computing::begin();
        let returned = within(scope_of(&caller, &leader), || body(handle));
        drop(caller);
        let (request, sharing, computed) = self.compute_result(&returned, computing);
        let subject = request.spec.subject.clone();
        let stand_in = worker.block_on(request.finish(leader, computed).in_current_span());
        count_computation(&subject, &stand_in);
        bridge(&sharing, stand_in, returned).unwrap_or_else(on_error)
    }

    fn at_hand(&mut self) -> Decision<S::Return> {
        self.request.at_hand().map_or(Decision::Ask, |result| self.receive(result))
    }

    fn decide(&mut self, asked: Result<Assignment>) -> Decision<S::Return> {
        match asked {
            Ok(Assignment::Compute(leader)) => Decision::Lead(leader),
            Ok(Assignment::Use(result, layer)) => {
                self.layer = layer;
                self.receive(result)
            }
            Err(error) => self.without_lock(error),
        }
    }

    fn receive(&mut self, result: FlightResult) -> Decision<S::Return> {
        let request = &self.request;
        let stored = match result {
            FlightResult::Value(stored) => stored,
            FlightResult::Failed(failure) => return Decision::Fail(request.leader_failed(&failure)),
            FlightResult::Unshared => return Decision::RunUnlocked(request.unlocked()),
            FlightResult::Error(error) => return self.without_lock(error),
            FlightResult::Done => {
                let no_value =
                    || request.spec.error(ErrorKind::Misuse, "the key is COMPUTED without a value");
                let done = self.sharing.done();
                if done.is_some() {
                    request.core.tell(&request.spec, Event::Served);
                }
                return done.map_or_else(|| Decision::Fail(no_value()), Decision::Return);
            }
        };
        let was_decoded = stored.payload.decoded().is_some();
        match self.sharing.decode(&stored.payload) {
            Ok(returned) => {
                if !was_decoded
                    && stored.payload.decoded().is_some()
                    && let Some(call) = &request.caching.call
                {
                    let record = &request.spec.names.record;
                    request.core.store.wakeups().weigh_copy(call, record, &stored.payload);
                }
                request.core.tell(&request.spec, Event::Served);
                Decision::Return(returned)
            }
            Err(why) => {
                request.cannot_read(&why, self.sharing.kind());
                self.unreadable += 1;
                if self.unreadable >= MAX_UNREADABLE {
                    return Decision::RunUnlocked(request.unlocked());
                }
                if let Some(record) = stored.record {
                    self.request.distrust = Distrust::Record(record.to_vec());
                }
                Decision::Ask
            }
        }
    }

    fn without_lock(&self, error: Error) -> Decision<S::Return> {
        self.request.lock().unlocked(error).map_or_else(Decision::Fail, Decision::RunUnlocked)
    }

    /// Decides what the other callers get for what the body returned.
    fn compute_result(self, returned: &S::Return, computing: Computing) -> (CacheRequest, S, ComputeResult) {
        let Self { request, sharing, judge, .. } = self;
        let keep = match judge(&sharing, returned) {
            Judgement::Failed(message) => {
                computing.end(&request.spec.subject, Computed::Failed);
                let failure = Failure::new(&message, request.spec.function);
                return (request, sharing, ComputeResult::Failed(failure));
            }
            Judgement::Keep => true,
            Judgement::DontKeep => false,
        };
        computing.end(&request.spec.subject, Computed::Done);
        let computed = match sharing.encode(returned) {
            None => ComputeResult::Done,
            // The next value may be kept.
            Some(encoded) if !keep => {
                let payload = encoded.map_or_else(|unwritable| unwritable.shared, Some);
                ComputeResult::Unstored { payload, lasts: false }
            }
            Some(Ok(payload)) => request.fits(payload),
            Some(Err(unwritable)) => request.cannot_write(unwritable, sharing.kind()),
        };
        (request, sharing, computed)
    }
}

impl CacheRequest {
    fn cannot_write(&self, unwritable: Unwritable, kind: Option<(&str, &str)>) -> ComputeResult {
        let Unwritable { why, shared } = unwritable;
        if self.is_news("can't be stored") {
            let (key, function, kind) = (&self.spec.key, self.spec.function, kind.map(|(_, kind)| kind));
            tracing::warn!(
                target: "dspinlock", %key, function, kind, %why,
                "the value can't be stored: its callers compute it without waiting for each other (logged once)"
            );
        }
        ComputeResult::Unstored { payload: shared, lasts: true }
    }

    fn cannot_read(&self, why: &str, kind: Option<(&str, &str)>) {
        if self.is_news("can't be decoded") {
            let (key, function, kind) = (&self.spec.key, self.spec.function, kind.map(|(_, kind)| kind));
            tracing::warn!(
                target: "dspinlock", %key, function, kind, %why,
                "the stored value can't be decoded, and is computed again: give a new form of the value another `schema` \
                 (logged once)"
            );
        }
    }

    /// A value that is too large is shared, and not stored.
    fn fits(&self, payload: Payload) -> ComputeResult {
        let (bytes, limit) = (payload.len(), self.caching.max_value);
        if bytes <= limit {
            return ComputeResult::Store(payload);
        }
        if self.is_news("is too large") {
            let (key, function) = (&self.spec.key, self.spec.function);
            tracing::warn!(
                target: "dspinlock", %key, function, bytes, limit,
                "the value is larger than `max_value` and is not stored: each process computes its own (logged once)"
            );
        }
        ComputeResult::Unstored { payload: Some(payload), lasts: true }
    }
}

/// The scope of the leader's body, with the lock if there is one.
fn scope_of(caller: &Caller, leader: &Leader) -> Arc<Run> {
    if leader.guard().handle().is_unlocked() {
        caller.unlocked()
    } else {
        caller.holding(&leader.guard().grant().spec)
    }
}

/// Runs a body in its scope. The body is also created there: a default argument may lock before the first await.
pub(crate) fn inside<B: Future>(scope: Arc<Run>, body: impl FnOnce() -> B) -> Within<Arc<Run>, B> {
    Within::new(scope.clone(), within(scope, body))
}

/// Counts a caller that has computed, by whether it returns what it computed.
fn count_computation(subject: &Subject, stand_in: &Result<Option<Payload>>) {
    let layer = if matches!(stand_in, Ok(Some(_))) { Layer::Stale } else { Layer::Miss };
    observe::cache_request(subject, layer);
}

/// What the caller returns: the value that stands in for its failure, if there is one, or what its body returned.
fn bridge<S: Sharing>(
    sharing: &S,
    stand_in: Result<Option<Payload>>,
    returned: S::Return,
) -> Result<S::Return> {
    Ok(stand_in?.and_then(|payload| sharing.decode(&payload).ok()).unwrap_or(returned))
}

#[cfg(test)]
mod tests;
