//! One caller's attempt at one lock: two short drivers, async and blocking, over the one [`Spin`].

mod queueing;
mod request;
#[cfg(test)]
mod tests;

use crate::clock::Tick;
use crate::engine::core::Core;
use crate::engine::guard::Guard;
use crate::engine::queue::Queued;
use crate::engine::spec::Spec;
use crate::engine::spin::{Policy, Spin, Wanted};
use crate::engine::waits::{Caller, Waiting};
use crate::error::Result;
use crate::format::envelope::{Label, Stored};
use crate::format::note::Note;
use crate::format::record::Record;
use crate::options::{Caching, CallId};
use crate::store::{Listener, LocalCopy, Notify, Replace};
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

/// The answer in place of the lock.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The value.
    Value(Stored),
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
    next: NextRequest,
    fetch: Option<Fetching>,
    /// Gone when the caller has lost interest.
    caller: Weak<Caller>,
    /// A child of the caller's span. It ends when the lock is held or refused.
    span: Span,
}

/// The additional state of an attempt at a value.
struct Fetching {
    refresh_ahead: Option<Duration>,
    /// The label of the wanted value; `None` where it is enough that the work is done.
    label: Option<Label>,
    /// The label as one line; empty without a label.
    label_line: String,
    max_value: usize,
    /// How long a copy of the value is kept in this process.
    local: Option<Duration>,
    /// The call that the copy is for.
    call: Option<CallId>,
    /// The BLOCKED record that was seen last.
    waited_for: Option<Vec<u8>>,
}

/// The request to send next.
struct NextRequest {
    at: Tick,
    replace: Option<Replace>,
}

/// The next act of a driver after a reply.
enum Progress {
    Done(Outcome),
    /// Sleep until the next request is due.
    Sleep,
}

impl Attempt {
    pub(crate) fn new(core: Arc<Core>, spec: Arc<Spec>, policy: Policy, wait: Duration) -> Self {
        let started = Tick::now();
        let spin = Spin::new(policy, &spec.options, wait, started);
        Self {
            span: tracing::debug_span!(target: "dspinlock", "lock", key = %spec.key),
            core,
            spec,
            spin,
            started,
            attempts: 0,
            next: NextRequest { at: started, replace: None },
            fetch: None,
            caller: Weak::new(),
        }
    }

    /// Names the caller, so that a cycle of calls that wait for each other is noticed.
    pub(crate) fn called_by(mut self, caller: &Weak<Caller>) -> Self {
        self.caller = Weak::clone(caller);
        self
    }

    /// Asks for what was computed: a value, or only the fact where `wanted` is `None`.
    pub(crate) fn fetching(mut self, wanted: Option<Wanted>, caching: &Caching) -> Self {
        let Caching { refresh_ahead, local, max_value, .. } = *caching;
        let label = wanted.as_ref().map(|wanted| wanted.label.clone());
        self.spin.want(wanted);
        let label_line = label.as_ref().map(Label::line).unwrap_or_default();
        let call = caching.call.clone();
        self.fetch =
            Some(Fetching { refresh_ahead, label, label_line, max_value, local, call, waited_for: None });
        self
    }

    /// Runs to the end, on the library's I/O thread. Dropped at any point, it gives back what it may have taken.
    pub(crate) fn run(self) -> impl Future<Output = Result<Outcome>> + Send {
        let span = self.span.clone();
        let drive = async move {
            let (caller, mut waiting) = (Weak::clone(&self.caller), None);
            let outcome = self.drive(&mut waiting).await?;
            if let (Outcome::Entered(guard), Some(caller)) = (&outcome, caller.upgrade()) {
                caller.granted(&guard.grant().spec);
            }
            Ok(outcome)
        };
        drive.instrument(span)
    }

    /// Sends the first request on the calling thread, and leaves all waiting to the library's I/O thread.
    pub(crate) fn run_blocking(mut self) -> Result<Outcome> {
        let span = self.span.clone();
        let _inside = span.enter();
        let worker = self.core.worker.clone();
        self.check_open()?;
        if self.has_to_queue() {
            return worker.block_on(self.run());
        }
        let now = if let Some(now) = self.core.store.estimate(Tick::now()) {
            now
        } else {
            let core = Arc::clone(&self.core);
            let asked = worker.block_on(async move { core.store.now().await });
            asked.map_err(|error| self.spec.name(error))?
        };
        let request = self.prepare(now, false);
        let reply = self.core.store.call_blocking(&request.acquire(&self));
        self.learn(&request, &reply);
        match self.take(request, reply, Notify::NotAsked)? {
            Progress::Done(outcome) => Ok(outcome),
            Progress::Sleep => worker.block_on(self.run()),
        }
    }

    async fn drive(mut self, waiting: &mut Option<Waiting>) -> Result<Outcome> {
        let core = Arc::clone(&self.core);
        let mut queued: Option<Queued> = None;
        let mut listener: Option<Listener> = None;
        loop {
            if queued.is_none() && self.has_to_queue() {
                *waiting = self.announce_wait()?;
                let joined = core.queues.join(&self.spec.names.record, self.takes_over());
                if let Some(guard) = self.until_first(&joined).await? {
                    return Ok(Outcome::Entered(guard));
                }
                queued = Some(joined);
            }
            if let Some(guard) = self.until_due(listener.as_mut(), queued.as_ref()).await {
                return Ok(Outcome::Entered(guard));
            }
            self.check_open()?;
            // The first request is as cheap as can be. Wake-ups are for callers that ask again, or keep a copy.
            if listener.is_none() && (queued.is_some() || self.keeps_copy()) {
                listener = Some(core.store.wakeups().listen(&self.spec.names.record));
            }
            let (request, reply, notify) = self.ask(listener.as_mut(), queued.is_some()).await?;
            let progress = self.take(request, reply, notify);
            match self.unless_handed_over(progress, queued.as_ref())? {
                Progress::Done(outcome) => {
                    self.keep_copy(&outcome, listener.as_ref());
                    if let (Outcome::Entered(_), Some(queued)) = (&outcome, queued) {
                        queued.leave_with_lock();
                    }
                    return Ok(outcome);
                }
                Progress::Sleep => {}
            }
        }
    }

    fn keeps_copy(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.label.is_some() && fetch.local.is_some())
    }

    /// Keeps a copy of a value that was read, for as long as this process may serve it.
    fn keep_copy(&self, outcome: &Outcome, listener: Option<&Listener>) {
        if let (
            Some(Fetching { local: Some(local), call: Some(call), refresh_ahead, .. }),
            Some(listener),
            Outcome::Fetched(Fetched::Value(Stored { payload, until, .. })),
        ) = (&self.fetch, listener, outcome)
        {
            let at_most = Tick::now() + *local;
            // After that, callers have to ask the store, so that one of them computes the next value.
            let ahead = refresh_ahead.unwrap_or_default();
            let until = until.map_or(at_most, |until| until.before(ahead).min(at_most));
            let copy = LocalCopy::new(&self.spec.names.record, &self.spec.scheme, payload, until);
            self.core.store.wakeups().keep_copy(listener, call, copy);
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
