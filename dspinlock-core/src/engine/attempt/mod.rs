//! One caller's attempt at one lock: the two short drivers, async and blocking, over the one [`Spin`].

mod request;

use crate::clock::Tick;
use crate::engine::core::Core;
use crate::engine::guard::Guard;
use crate::engine::line::{Handoff, Place, Word};
use crate::engine::spec::Spec;
use crate::engine::spin::{Policy, Refusal, Spin, Wanted};
use crate::engine::waits::{Caller, Waiting};
use crate::error::Result;
use crate::format::envelope::{Label, Stored};
use crate::format::note::Note;
use crate::format::record::Record;
use crate::options::Caching;
use crate::store::{Acquired, Listener, LocalCopy, Notify, Replace};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tracing::{Instrument, Span};

/// How an attempt ended, other than in an error.
#[derive(Debug)]
pub(crate) enum Outcome {
    Entered(Guard),
    /// The lock is not held, and that is an answer: the record says why.
    TurnedAway(Record),
    /// The answer to an attempt that [fetches](Attempt::fetching).
    Fetched(Fetched),
}

/// What came in place of the lock.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The value.
    Value(Stored),
    /// The value, about to expire. The guard of the refresh mark makes this caller the one that computes the next value.
    RefreshAhead { stored: Stored, mark: Guard },
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
    next: Next,
    fetch: Option<Fetching>,
    /// Gone when the caller has lost interest.
    caller: Weak<Caller>,
    /// Belongs to what the caller is doing, and encloses all that happens until the lock is held or refused.
    span: Span,
}

/// Where a value is wanted, and not only the lock.
struct Fetching {
    refresh_ahead: Option<Duration>,
    /// What the value must be; `None` where the fact that the work is done is all.
    label: Option<Label>,
    /// Its mark, or nothing.
    mark: String,
    max_value: usize,
    /// For how long a copy of the value is to be kept.
    local: Option<Duration>,
    /// The BLOCKED record that was seen last.
    waited_for: Option<Vec<u8>>,
}

/// The request to send next.
struct Next {
    at: Tick,
    replace: Option<Replace>,
}

/// What a driver has to do.
enum Turnout {
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
            next: Next { at: started, replace: None },
            fetch: None,
            caller: Weak::new(),
        }
    }

    /// Says who makes the attempt, so that it does not wait for what waits for it.
    pub(crate) fn called_by(mut self, caller: &Weak<Caller>) -> Self {
        self.caller = Weak::clone(caller);
        self
    }

    /// Wants what was computed: a value, or only the fact where there is none.
    pub(crate) fn fetching(mut self, wanted: Option<Wanted>, caching: &Caching) -> Self {
        let Caching { refresh_ahead, local, max_value, .. } = *caching;
        let label = wanted.as_ref().map(|wanted| wanted.label.clone());
        self.spin.want(wanted);
        let mark = label.as_ref().map(Label::mark).unwrap_or_default();
        self.fetch = Some(Fetching { refresh_ahead, label, mark, max_value, local, waited_for: None });
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

    async fn drive(mut self, waiting: &mut Option<Waiting>) -> Result<Outcome> {
        let core = Arc::clone(&self.core);
        let mut place: Option<Place> = None;
        let mut listener: Option<Listener> = None;
        loop {
            if place.is_none() && self.is_to_queue() {
                *waiting = self.wait()?;
                let joined = core.lines.join(&self.spec.names.record, self.takes());
                match self.stand_in_line(&joined).await? {
                    Some(guard) => return Ok(Outcome::Entered(guard)),
                    None => place = Some(joined),
                }
            }
            if let Some(guard) = self.rest(listener.as_mut(), place.as_ref()).await {
                return Ok(Outcome::Entered(guard));
            }
            self.check_open()?;
            // The first look is as cheap as can be; who has to look again, or keeps a copy, wants to be told.
            if listener.is_none() && (place.is_some() || self.keeps_copy()) {
                listener = Some(core.store.wakeups().listen(&self.spec.names.record));
            }
            let now = core.store.now().await.map_err(|error| self.spec.name(error))?;
            let request = self.prepare(now, place.is_some());
            let (reply, notify) = match &mut listener {
                Some(listener) => {
                    listener.attend();
                    core.store.call_tracked(&request.acquire(&self)).await
                }
                None => (core.store.call(&request.acquire(&self)).await, Notify::NotAsked),
            };
            self.learn(&request, &reply);
            let reply = self.complete(reply).await;
            match self.take(request, reply, notify)? {
                Turnout::Done(outcome) => {
                    self.keep_copy(&outcome, listener.as_ref());
                    if let (Outcome::Entered(_), Some(place)) = (&outcome, place) {
                        place.leave_with_lock();
                    }
                    return Ok(outcome);
                }
                Turnout::Sleep => {}
            }
        }
    }

    /// Tells the other calls of this process that this one waits, unless it would wait for itself.
    fn wait(&self) -> Result<Option<Waiting>> {
        let waiting = self.caller.upgrade().map(|caller| caller.wait_for_lock()).transpose();
        waiting.map_err(|error| error.with_effort(self.waited(), self.attempts))
    }

    fn check_open(&self) -> Result<()> {
        self.core
            .check_open()
            .map_err(|error| self.spec.name(error).with_effort(self.waited(), self.attempts))
    }

    /// Whether others of this process may wait as well, so that this one has to stand in line with them.
    fn is_to_queue(&self) -> bool {
        // Who has no time to wait looks all the same.
        let waits = self.spin.patience().is_some_and(|deadline| Tick::now() < deadline);
        let is_waited_for = || self.core.lines.is_waited_for(&self.spec.names.record);
        waits && (self.attempts > 0 || is_waited_for() || self.stands_back().is_some())
    }

    /// Until when this caller leaves the lock to other processes, whose turn it is.
    fn stands_back(&self) -> Option<Tick> {
        let (now, deadline) = (Tick::now(), self.spin.patience()?);
        // Who takes what was computed takes it from nobody.
        let until = (self.spin.relocks() && now < deadline)
            .then(|| self.core.lines.left_to_others(&self.spec.names.record, now));
        until.flatten().map(|until| until.min(deadline))
    }

    /// Sleeps until the next request is due, or there is word of a change, or of the lock itself, which is then returned.
    async fn rest(&self, listener: Option<&mut Listener>, place: Option<&Place>) -> Option<Guard> {
        let tells = listener.is_some();
        let mut handoff = sleep(self.next.at, listener, place).await;
        if tells && Tick::now() < self.next.at {
            self.core.lines.turn_passed(&self.spec.names.record);
        }
        while handoff.is_none()
            && let Some(until) = self.stands_back()
        {
            handoff = sleep(until, None, place).await;
        }
        handoff.map(|handoff| Guard::new(&self.core, handoff.take()))
    }

    /// The lock, if this caller takes it from another's hands.
    fn takes(&self) -> Option<Arc<Spec>> {
        self.spin.relocks().then(|| Arc::clone(&self.spec))
    }

    /// Waits until this caller is the first of the line, or is handed the lock.
    async fn stand_in_line(&self, place: &Place) -> Result<Option<Guard>> {
        self.check_open()?;
        let deadline = self.spin.patience().unwrap_or(self.started);
        // With no time left the line is no place to wait in; the first still gets its look.
        match tokio::time::timeout(Tick::now().until(deadline), place.word()).await {
            Ok(Word::Given(handoff)) => Ok(Some(Guard::new(&self.core, handoff.take()))),
            Ok(Word::Look) => Ok(None),
            Err(_) => Err(self.refuse(Refusal::Contended(None))),
        }
    }

    fn keeps_copy(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.label.is_some() && fetch.local.is_some())
    }

    /// Reads on where a reply has only the beginning of the value.
    async fn complete(&self, reply: Result<Acquired>) -> Result<Acquired> {
        let mut reply = reply?;
        let fetch = self.fetch.as_ref();
        if let Some((fetch, label)) = fetch.and_then(|fetch| Some((fetch, fetch.label.as_ref()?)))
            && let Some((record, value)) = reply.value()
            && let Some(part) = value.take()
        {
            let part = (part, Some(record));
            *value = self.core.store.complete(&self.spec.names, label, part, fetch.max_value).await?;
        }
        Ok(reply)
    }

    /// Keeps a copy of a value that was read, for as long as it may be served from here.
    fn keep_copy(&self, outcome: &Outcome, listener: Option<&Listener>) {
        if let (
            Some(Fetching { label: Some(label), local: Some(local), refresh_ahead, .. }),
            Some(listener),
            Outcome::Fetched(Fetched::Value(Stored { payload, until, .. })),
        ) = (&self.fetch, listener, outcome)
        {
            let at_most = Tick::now() + *local;
            // From then on a caller has to ask, so that one computes the next value.
            let ahead = refresh_ahead.unwrap_or_default();
            let until = until.map_or(at_most, |until| until.before(ahead).min(at_most));
            let copy = LocalCopy { label: label.clone(), payload: payload.clone(), until };
            self.core.store.wakeups().keep_copy(listener, copy);
        }
    }

    /// Sends the first request on the calling thread; all waiting is left to the library's I/O thread.
    pub(crate) fn run_blocking(mut self) -> Result<Outcome> {
        let span = self.span.clone();
        let _inside = span.enter();
        self.check_open()?;
        if self.is_to_queue() {
            let worker = self.core.worker.clone();
            return worker.block_on(self.run());
        }
        let now = if let Some(now) = self.core.store.estimate(Tick::now()) {
            now
        } else {
            let core = Arc::clone(&self.core);
            let asked = self.core.worker.block_on(async move { core.store.now().await });
            asked.map_err(|error| self.spec.name(error))?
        };
        let request = self.prepare(now, false);
        let reply = self.core.store.call_blocking(&request.acquire(&self));
        self.learn(&request, &reply);
        match self.take(request, reply, Notify::NotAsked)? {
            Turnout::Done(outcome) => Ok(outcome),
            Turnout::Sleep => {
                let worker = self.core.worker.clone();
                worker.block_on(self.run())
            }
        }
    }

    fn waited(&self) -> Duration {
        Tick::now() - self.started
    }
}

/// Sleeps until `at`, or until there is word: of a change, or of the lock itself, which is then returned.
async fn sleep(at: Tick, listener: Option<&mut Listener>, place: Option<&Place>) -> Option<Handoff> {
    let rest = Tick::now().until(at);
    if rest.is_zero() {
        return None;
    }
    let changed = async {
        match listener {
            Some(listener) => listener.changed().await,
            None => std::future::pending().await,
        }
    };
    let word = async {
        match place {
            Some(place) => place.word().await,
            None => std::future::pending().await,
        }
    };
    let (mut changed, mut word) = (pin!(changed), pin!(word));
    let either = poll_fn(|context| {
        if let Poll::Ready(word) = word.as_mut().poll(context) {
            return Poll::Ready(Some(word));
        }
        changed.as_mut().poll(context).map(|()| None)
    });
    match tokio::time::timeout(rest, either).await {
        Ok(Some(Word::Given(handoff))) => Some(handoff),
        // All other ends mean the same: look again.
        Ok(Some(Word::Look) | None) | Err(_) => None,
    }
}
