//! One caller's attempt at one lock: a driver over the [`Spin`], with a door for async callers and one for blocking ones.
//!
//! The caller itself sends the first request, and waits in the queue of its process. Only the first of a queue waits for the
//! server, and the library's own thread does that.

mod queueing;
mod request;
#[cfg(test)]
mod tests;

use crate::clock::Tick;
use crate::engine::core::Core;
use crate::engine::guard::Guard;
use crate::engine::probe::Event;
use crate::engine::queue::Queued;
use crate::engine::spec::Spec;
use crate::engine::spin::{Policy, Spin, Wanted};
use crate::engine::waits::{Caller, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::{Label, Stored};
use crate::format::note::Note;
use crate::format::record::{Record, State};
use crate::observe::{self, Acquiring};
use crate::options::Caching;
use crate::store::{Listener, Notify, Replace};
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tracing::{Instrument, Span};

/// How an attempt ended, other than in an error.
#[derive(Debug)]
pub(crate) enum Outcome {
    Entered(Guard),
    /// The lock was not taken, and that is the answer. The record says why.
    TurnedAway(Record),
    /// The answer to an attempt that [fetches](Attempt::fetching).
    Fetched(Fetched),
}

impl Outcome {
    /// The outcome as it is measured.
    fn measured(&self) -> observe::Attempted {
        Ok(match self {
            Self::Entered(_) => observe::Acquired::Lock,
            Self::TurnedAway(record) if record.state == State::Blocked => observe::Acquired::TurnedAway,
            Self::TurnedAway(_) | Self::Fetched(Fetched::Value { .. }) => observe::Acquired::Computed,
            Self::Fetched(Fetched::Noted(Note::NotShared { .. })) => observe::Acquired::TurnedAway,
            Self::Fetched(Fetched::Noted(Note::Failed(_))) => return Err(ErrorKind::LeaderFailed),
        })
    }
}

/// The answer in place of the lock.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The value. `awaited` says that it was not there at first.
    Value { stored: Stored, awaited: bool },
    /// The turn that was waited for has no value for others.
    Noted(Note),
}

/// An attempt under way.
pub(crate) struct Attempt {
    core: Arc<Core>,
    spec: Arc<Spec>,
    spin: Spin,
    started: Tick,
    attempts: u32,
    told: Told,
    next: NextRequest,
    fetch: Option<Fetching>,
    /// Gone when the caller has lost interest.
    caller: Weak<Caller>,
    waiting: observe::Waiting,
    /// A child of the caller's span. It ends when the lock is held or refused.
    span: Span,
}

/// What the log knows of an attempt.
#[derive(Default)]
struct Told {
    /// That it waits.
    waits: bool,
    /// That it has waited for as long as a lease.
    waits_long: bool,
    /// The holder that was seen last, and when its lease ends if it is not renewed.
    holder: Option<(String, Tick)>,
}

/// The additional state of an attempt at a value.
struct Fetching {
    caching: Caching,
    /// The label of the wanted value; `None` where it is enough that the work is done.
    label: Option<Label>,
    /// The label as one line; empty without a label.
    label_line: String,
    /// The BLOCKED record that was seen last.
    waited_for: Option<Vec<u8>>,
}

/// The request to send next.
struct NextRequest {
    at: Tick,
    replace: Option<Replace>,
}

/// Where a caller does its part of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// In its task.
    Task,
    /// On its thread, which may block.
    Thread,
}

/// A place in the local queue, and the note of the wait there.
struct Place {
    queued: Queued,
    _waiting: Option<Waiting>,
}

/// How a sleep ended.
enum Slept {
    /// The next request is due.
    Due,
    /// A wake-up came before that.
    Woken,
    /// The lock was handed over.
    HandedOver(Guard),
}

/// The next act of a driver after a reply.
enum Progress {
    Done(Outcome),
    /// Sleep until the next request is due.
    Sleep,
}

/// Notes what the caller holds from now on.
fn granted(caller: &Weak<Caller>, outcome: &Outcome) {
    if let (Outcome::Entered(guard), Some(caller)) = (outcome, caller.upgrade()) {
        caller.granted(&guard.grant().spec);
    }
}

impl Attempt {
    pub(crate) fn new(core: Arc<Core>, spec: Arc<Spec>, policy: Policy, wait: Duration) -> Self {
        let started = Tick::now();
        let spin = Spin::new(policy, &spec.options, wait, started);
        Self {
            span: tracing::debug_span!(
                target: "dspinlock", "lock", key = %spec.key, record_key = &*spec.names.record, function = spec.function
            ),
            core,
            spec,
            spin,
            started,
            attempts: 0,
            told: Told::default(),
            next: NextRequest { at: started, replace: None },
            fetch: None,
            caller: Weak::new(),
            waiting: observe::Waiting::default(),
        }
    }

    /// Names the caller, so that a cycle of calls that wait for each other is noticed.
    pub(crate) fn called_by(mut self, caller: &Weak<Caller>) -> Self {
        self.caller = Weak::clone(caller);
        self
    }

    /// Asks for what was computed: a value, or only the fact where `wanted` is `None`.
    pub(crate) fn fetching(mut self, wanted: Option<Wanted>, caching: &Caching) -> Self {
        let label = wanted.as_ref().map(|wanted| wanted.label.clone());
        self.spin.want(wanted);
        let label_line = label.as_ref().map(Label::line).unwrap_or_default();
        self.fetch = Some(Fetching { caching: caching.clone(), label, label_line, waited_for: None });
        self
    }

    /// Runs to the end in the caller's own task or, with [`Door::Thread`], on its thread: then poll the future there, and nowhere
    /// else. It needs no runtime. Dropped at any point, it gives back what it may have taken.
    pub(crate) fn run(self, door: Door) -> impl Future<Output = Result<Outcome>> + Send {
        let span = self.span.clone();
        let drive = async move {
            let caller = Weak::clone(&self.caller);
            self.core.tell(&self.spec, Event::Asks);
            let acquiring = Acquiring::begin(&self.spec.subject, self.started);
            let driven = self.drive(door).await.inspect(|outcome| granted(&caller, outcome));
            acquiring.end(|| driven.as_ref().map(Outcome::measured).map_err(Error::kind).flatten());
            driven
        };
        drive.instrument(span)
    }

    /// [`run`](Self::run), blocking the calling thread.
    pub(crate) fn run_blocking(self) -> Result<Outcome> {
        pollster::block_on(self.run(Door::Thread))
    }

    async fn drive(mut self, door: Door) -> Result<Outcome> {
        self.check_open()?;
        // A caller that wants a value is likely to wait for it, or keeps a copy: its first request asks for wake-ups.
        if !self.has_to_queue()
            && self.fetch.is_none()
            && let Progress::Done(outcome) = self.first(door).await?
        {
            return Ok(outcome);
        }
        let mut place = None;
        if self.has_to_queue() {
            let joined = self.join()?;
            if let Some(guard) = self.until_first(&joined.queued).await? {
                return Ok(Outcome::Entered(guard));
            }
            place = Some(joined);
        }
        let (worker, caller) = (self.core.worker.clone(), Weak::clone(&self.caller));
        // The task of the caller may not be polled for a while.
        let wait = async move { self.wait(place).await.inspect(|outcome| granted(&caller, outcome)) };
        worker.attend(wait.in_current_span()).await
    }

    /// Sends the first request of a caller that wants no value. It is as cheap as can be: wake-ups are for callers that ask
    /// again.
    async fn first(&mut self, door: Door) -> Result<Progress> {
        let time = match self.server_time().await {
            Ok(time) => time,
            Err(error) => return self.failed(error),
        };
        let request = self.prepare(time, false);
        let acquire = request.acquire(self);
        // While the thread of this task is blocked, the reply is not read, and nobody knows who holds the lock.
        let asking = self.caller.upgrade().and_then(|caller| caller.ask(&self.spec));
        let reply = match door {
            Door::Task => self.core.store.call_here(&acquire).await,
            Door::Thread => self.core.store.call_blocking(&acquire),
        };
        let progress = self.take(request, reply, Notify::NotAsked)?;
        if let (Some(asking), Progress::Done(Outcome::Entered(_))) = (asking, &progress) {
            asking.granted();
        }
        Ok(progress)
    }

    /// Waits for the server on the library's I/O thread, in the place of a caller that is the first of its queue, or does not
    /// queue.
    async fn wait(mut self, mut place: Option<Place>) -> Result<Outcome> {
        let core = Arc::clone(&self.core);
        let mut listener: Option<Listener> = None;
        loop {
            if place.is_none() && self.has_to_queue() {
                let joined = self.join()?;
                if let Some(guard) = self.until_first(&joined.queued).await? {
                    return Ok(Outcome::Entered(guard));
                }
                place = Some(joined);
            }
            let queued = place.as_ref().map(|place| &place.queued);
            let woken = match self.until_due(listener.as_mut(), queued).await {
                Slept::HandedOver(guard) => return Ok(Outcome::Entered(guard)),
                Slept::Woken => true,
                Slept::Due => false,
            };
            self.check_open()?;
            if listener.is_none() && (queued.is_some() || self.fetch.is_some()) {
                listener = Some(core.store.wakeups().listen(&self.spec.names.record));
            }
            // After a wake-up the value is likely to be there, and nothing more to wait for.
            let listening = listener.as_mut().filter(|_| !woken || self.fetch.is_none() || self.keeps_copy());
            let progress = self.ask(listening, queued.is_some()).await;
            if let Progress::Done(outcome) = self.unless_handed_over(progress, queued)? {
                self.keep_copy(&outcome, listener.as_ref());
                if let (Outcome::Entered(_), Some(place)) = (&outcome, place) {
                    place.queued.leave_with_lock();
                }
                return Ok(outcome);
            }
        }
    }

    fn keeps_copy(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.label.is_some() && fetch.caching.local.is_some())
    }

    /// Keeps a copy of a value that was read, for as long as this process may serve it.
    fn keep_copy(&self, outcome: &Outcome, listener: Option<&Listener>) {
        if let (Some(fetch), Some(listener), Outcome::Fetched(Fetched::Value { stored, .. })) =
            (&self.fetch, listener, outcome)
        {
            self.core.keep_copy(listener, &self.spec, &fetch.caching, stored);
        }
    }

    fn check_open(&self) -> Result<()> {
        self.core
            .check_open()
            .map_err(|error| self.spec.name(error).with_effort(self.waited(), self.attempts))
    }

    fn waited(&self) -> Duration {
        Tick::now() - self.started
    }
}
