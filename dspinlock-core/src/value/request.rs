//! A request for a value that many callers want: who computes it, and how the others get it. The type of the value is not
//! known here.

use crate::clock::{ServerTime, Tick};
use crate::engine::attempt::{Attempt, Door, Fetched, Outcome};
use crate::engine::core::Core;
use crate::engine::fallback::Resolved;
use crate::engine::flight::{FlightResult, Join, Lead};
use crate::engine::guard::Guard;
use crate::engine::handle::LockHandle;
use crate::engine::spec::Spec;
use crate::engine::spin::{Distrust, Policy, Wanted};
use crate::engine::waits::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::{Label, Stored};
use crate::format::note::{Failure, Note, Reach};
use crate::observe::Layer;
use crate::options::{Caching, OnLost, OnOutage};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tracing::Instrument;

/// One caller's request for a value.
#[derive(Clone, Debug)]
pub(crate) struct CacheRequest {
    pub(crate) core: Arc<Core>,
    pub(crate) spec: Arc<Spec>,
    /// Identifies the value; `None` if the work has no value, and only its completion counts.
    pub(crate) label: Option<Label>,
    pub(crate) caching: Caching,
    pub(crate) deadline: Tick,
    pub(crate) on_lost: OnLost,
    pub(crate) on_outage: OnOutage,
    pub(crate) distrust: Distrust,
}

/// What a caller does about the requested value.
pub(crate) enum Assignment {
    /// It uses the result of the flight, which came from there.
    Use(FlightResult, Layer),
    /// It computes the value.
    Compute(Leader),
}

/// The caller that computes.
pub(crate) struct Leader {
    // Dropped before the role: the next leader finds the lock given back, or on its way.
    pub(super) guard: Guard,
    pub(super) role: Role,
}

pub(super) enum Role {
    /// Leads the flight: there is no usable value, and other callers wait.
    First(Lead),
    /// Computes the next value while the old one, which is about to expire, is still served.
    Ahead(Stored),
}

impl Leader {
    fn first(guard: Guard, lead: Lead) -> Self {
        Self { guard, role: Role::First(lead) }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl CacheRequest {
    /// A request that begins now. The caller waits as long as the options of the lock say.
    pub(crate) fn new(lock: Resolved, label: Option<Label>, caching: Caching, on_lost: OnLost) -> Self {
        let Resolved { core, spec, on_outage } = lock;
        let deadline = Tick::now() + spec.options.wait();
        Self { core, spec, label, caching, deadline, on_lost, on_outage, distrust: Distrust::Nothing }
    }

    /// The lock that the value is computed under.
    pub(crate) fn lock(&self) -> Resolved {
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        Resolved { core, spec, on_outage: self.on_outage }
    }

    /// The result that this process knows without a request to the server: that the value can't be shared.
    pub(crate) fn at_hand(&self) -> Option<FlightResult> {
        self.reaches_only(Reach::Caller).then_some(FlightResult::Unshared)
    }

    /// Whether the value is known to reach no further.
    fn reaches_only(&self, reach: Reach) -> bool {
        let is_known =
            |label| self.core.unshared.is_known(&self.spec.names.record, label, reach, Tick::now());
        // A client that was shut down answers with its own error.
        self.label.as_ref().is_some_and(is_known) && self.core.check_open().is_ok()
    }

    /// Remembers that the value reaches no further.
    pub(super) fn will_reach_only(&self, reach: Reach, refused: bool) {
        if let Some(label) = &self.label {
            self.core.unshared.add(&self.spec.names.record, label, reach, refused, Tick::now());
        }
    }

    /// Whether this warning is logged for the first time for the values of this function.
    pub(crate) fn is_news(&self, what: &'static str) -> bool {
        self.core.unshared.is_news(what, self.spec.function, self.label.as_ref())
    }

    /// The handle of a body that runs without the lock, since its value can't be shared.
    pub(crate) fn unlocked(&self) -> LockHandle {
        LockHandle::unlocked(Arc::clone(&self.core), Arc::clone(&self.spec))
    }

    /// Joins the flight of this process, and leads it if no other caller does. The caller itself waits for its leader. A leader
    /// asks on the library's own thread, so that no follower depends on who polls it.
    ///
    /// Dropped at any point, it gives back what it may have taken, and another caller leads next.
    pub(crate) async fn start(&self, caller: &Arc<Caller>) -> Result<Assignment> {
        let worker = &self.core.worker;
        loop {
            match self.core.flights.join(&self.spec.names.record, self.label.as_ref(), caller.run()) {
                Join::Lead(lead) => {
                    caller.lead();
                    let (request, caller) = (self.clone(), Arc::downgrade(caller));
                    let lead = async move { request.lead(lead, &caller).await };
                    return worker.attend(lead.in_current_span()).await;
                }
                Join::Follow(follower) => {
                    worker.check_here().map_err(|error| self.spec.name(error))?;
                    match worker.limit(self.deadline, self.follow(follower, caller)).await {
                        Some(Ok(Some(result))) => return Ok(Assignment::Use(result, Layer::Flight)),
                        // The leader has gone: the first caller to join now leads.
                        Some(Ok(None)) => {}
                        Some(Err(cycle)) => return Err(cycle),
                        None => return Err(self.timed_out()),
                    }
                }
            }
        }
    }

    async fn lead(&self, lead: Lead, caller: &Weak<Caller>) -> Result<Assignment> {
        if self.reaches_only(Reach::Process) {
            return Ok(self.compute_unlocked(lead, caller));
        }
        let attempt = self.attempt(caller);
        let mut layer = Layer::Remote;
        let result = if let Some(result) = self.hit().await {
            self.core.unshared.remove(&self.spec.names.record);
            result
        } else {
            match self.warn_if_long(attempt.run(Door::Task), || self.warn_of_holder()).await {
                Ok(Outcome::Entered(guard)) => {
                    self.note_value(None);
                    return Ok(Assignment::Compute(Leader::first(guard, lead)));
                }
                Ok(Outcome::TurnedAway(_)) => FlightResult::Done,
                Ok(Outcome::Fetched(Fetched::Value { stored, awaited })) => {
                    if awaited {
                        // Otherwise the next caller would expect a value beside a record that it sees for the first time.
                        self.note_value(None);
                    }
                    self.note_value(Some(stored.payload.len()));
                    self.core.unshared.remove(&self.spec.names.record);
                    FlightResult::Value(stored)
                }
                Ok(Outcome::Fetched(Fetched::Noted(Note::Failed(failure)))) => {
                    layer = Layer::Stale;
                    self.failed(failure).await
                }
                Ok(Outcome::Fetched(Fetched::Noted(Note::NotShared { reach, lasts }))) => {
                    if lasts {
                        self.will_reach_only(reach, false);
                    }
                    if reach == Reach::Process {
                        return Ok(self.compute_unlocked(lead, caller));
                    }
                    FlightResult::Unshared
                }
                // This error is this caller's alone: its time is over, or its wait would close a cycle. The flight has no
                // result, so a follower leads next.
                Err(error) if matches!(error.kind(), ErrorKind::Contended | ErrorKind::Misuse) => {
                    return Err(error);
                }
                Err(error) => FlightResult::Error(error),
            }
        };
        lead.end(result.clone());
        let rest = Tick::now().until(self.deadline);
        if let FlightResult::Value(stored) = &result
            && let Ok(Some(guard)) = tokio::time::timeout(rest, self.refreshes_ahead(stored)).await
        {
            return Ok(Assignment::Compute(Leader { guard, role: Role::Ahead(stored.clone()) }));
        }
        Ok(Assignment::Use(result, layer))
    }

    /// Notes for later calls how long the value is that was seen or stored, or that there is none.
    pub(super) fn note_value(&self, length: Option<usize>) {
        if let Some(label) = &self.label {
            self.core.store.hints().of(&self.spec.names.record, &label.schema).note(length);
        }
    }

    fn attempt(&self, caller: &Weak<Caller>) -> Attempt {
        let wanted = self.label.clone().map(|label| Wanted { label, distrust: self.distrust.clone() });
        let (core, spec) = (Arc::clone(&self.core), Arc::clone(&self.spec));
        let attempt = Attempt::new(core, spec, Policy::CACHED, Tick::now().until(self.deadline));
        attempt.called_by(caller).fetching(wanted, &self.caching)
    }

    /// Computes for the callers of this process alone, since the value reaches no further.
    fn compute_unlocked(&self, lead: Lead, caller: &Weak<Caller>) -> Assignment {
        if let Some(caller) = caller.upgrade() {
            caller.granted_unlocked();
        }
        Assignment::Compute(Leader::first(Guard::unlocked(&self.core, &self.spec), lead))
    }

    /// The result of a failed computation: the last good value where it may stand in, or else the failure.
    pub(super) async fn failed(&self, failure: Failure) -> FlightResult {
        if self.caching.stale_if_error.is_some()
            && let Some(last_good) = self.last_good().await
        {
            tracing::warn!(target: "dspinlock", key = %self.spec.key, "computing failed; serving the last good value");
            return FlightResult::Value(last_good);
        }
        FlightResult::Failed(failure)
    }

    /// The server's time `rest` from now; zero if either is not known.
    pub(super) fn server_time_in(&self, rest: Option<Duration>) -> ServerTime {
        self.core
            .store
            .clock(&self.spec.names)
            .at(Tick::now())
            .zip(rest)
            .map(|(now, rest)| now + rest)
            .unwrap_or_default()
    }

    fn timed_out(&self) -> Error {
        let what = "another caller in this process is still computing the value; gave up waiting for it";
        self.spec.error(ErrorKind::Contended, what)
    }

    /// The error of a caller that waited for a failed computation.
    pub(crate) fn leader_failed(&self, failure: &Failure) -> Error {
        let what = format!("the caller that computed the value failed: {}", failure.message);
        self.spec.error(ErrorKind::LeaderFailed, &what).with_holder(failure.holder.clone())
    }
}
