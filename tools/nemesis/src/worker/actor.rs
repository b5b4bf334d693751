//! Random calls, one after the other.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, Guard, Result};
use fastrand::Rng;

use super::body::{self, AppError, Value};
use super::caches::{self, Cache, SLOW};
use super::call::{Asking, Call, Fate, Holding};
use super::register::Register;
use super::{Job, LEASE, Mix, ON_PURPOSE, Style, is_on_purpose};
use crate::clock::{micros, ms, now};
use crate::history::{self, How, Log, What};

/// The first key of cached functions, and the first of those that run once.
pub(crate) const CACHED_FROM: u64 = 1_000_000;
pub(crate) const ONCE_FROM: u64 = 2_000_000;

/// How many keys each of them has.
const CACHED_KEYS: u64 = 2;

pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) log: Arc<Log>,
    pub(super) register: Arc<Register>,
    pub(super) dice: Rng,
    pub(super) job: Job,
}

impl Actor {
    /// The same caller on another runtime, with other dice.
    pub(super) fn again(&self, generation: u64) -> Self {
        Self {
            client: self.client.clone(),
            log: Arc::clone(&self.log),
            register: Arc::clone(&self.register),
            dice: Rng::with_seed(self.dice.get_seed().wrapping_add(generation).wrapping_mul(31)),
            job: self.job.clone(),
        }
    }

    fn rolls(&mut self, in_1000: u32) -> bool {
        self.dice.u32(..1_000) < in_1000
    }

    fn roll(&mut self) -> Call {
        let mix = self.job.mix.clone();
        let (kind, key) = self.roll_deed(&mix);
        let cache = Cache::of(key);
        let fate = if self.rolls(mix.dies) {
            Fate::Dies
        } else if self.rolls(mix.panics) {
            Fate::Panics
        } else if self.rolls(mix.fails) {
            Fate::Fails
        } else {
            Fate::Succeeds
        };
        let step = if self.rolls(mix.long) {
            LEASE.mul_f64(0.5 + self.dice.f64()) / 3
        } else {
            mix.hold.mul_f64(self.dice.f64()) / 3
        };
        let steps = match cache {
            Some(Cache::Slow) if now() + micros(SLOW) < self.job.until => vec![SLOW / 24; 24],
            Some(Cache::Forgotten) => vec![ms(self.dice.u64(5..100)); 3],
            _ => vec![step; 3],
        };
        let short = cache == Some(Cache::Slow) || (cache.is_some() && self.rolls(200));
        let budget = ms(self.dice.u64(if short { 30..400 } else { 300..1_200 }));
        let how = match self.dice.u32(..10) {
            _ if kind == history::Call::Mark => How::Release,
            ..6 => How::Release,
            6..8 => How::Abandon,
            _ => How::Drop,
        };
        let op = self.log.next_op();
        // Copies in a process are kept by the scheme of a client.
        let named =
            if cache == Some(Cache::Local) { self.client.clone() } else { Call::named(&self.client, &op) };
        Call {
            client: named,
            log: Arc::clone(&self.log),
            register: Arc::clone(&self.register),
            op,
            kind,
            key,
            budget,
            fate,
            how,
            steps,
            stubborn: self.job.stubborn,
            in_code: cache.is_some_and(Cache::is_plain) && self.dice.bool(),
            forgets: cache == Some(Cache::Forgotten) && self.dice.bool(),
        }
    }

    /// The kind of call, and the key.
    fn roll_deed(&mut self, mix: &Mix) -> (history::Call, u64) {
        if self.rolls(mix.caches) {
            return match self.dice.u32(..1_000) {
                ..4 => (history::Call::Forget, Cache::Forgotten.key()),
                4..12 => (history::Call::Forget, Cache::Local.key()),
                12..20 => (history::Call::Mark, Cache::Marked.key()),
                _ => (history::Call::Cached, Cache::ALL[self.dice.usize(..Cache::ALL.len())].key()),
            };
        }
        let share = if self.job.style == Style::Cached { 1_000 } else { mix.cached };
        match (self.rolls(share), self.dice.u32(..3)) {
            (false, _) => (history::Call::Lock, self.dice.u64(..mix.keys)),
            (true, 0) => (history::Call::Once, ONCE_FROM + self.dice.u64(..CACHED_KEYS)),
            (true, _) => (history::Call::Cached, CACHED_FROM + self.dice.u64(..CACHED_KEYS)),
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_micros(self.dice.u64(..=micros(self.job.mix.pause)))
    }

    pub(super) fn act(&mut self) {
        let call = self.roll();
        let asking = call.invoke();
        let done = catch_unwind(AssertUnwindSafe(|| match call.kind {
            history::Call::Lock | history::Call::Mark => hold(&call, asking),
            history::Call::Cached => {
                let value = Cache::of(call.key)
                    .map_or_else(|| body::cached(&call), |cache| caches::get(&call, cache));
                returned(&call, asking, value);
            }
            history::Call::Once => returned_once(asking, body::once(&call)),
            history::Call::Forget => asking.done(call.lock().forget_blocking().map(drop)),
        }));
        if let Err(payload) = done
            && !is_on_purpose(&*payload)
        {
            resume_unwind(payload);
        }
        thread::sleep(self.pause());
    }

    pub(super) async fn act_later(&mut self) {
        let call = self.roll();
        let polls = if self.rolls(self.job.mix.cancels) { self.dice.u32(1..10) } else { u32::MAX };
        let linger = Duration::from_micros(self.dice.u64(..800));
        // A task of its own, so that its panic ends nothing else.
        let task = tokio::spawn(AtMost {
            polls,
            linger,
            future: Box::pin(async move {
                let asking = call.invoke();
                match call.kind {
                    history::Call::Lock | history::Call::Mark => hold_later(&call, asking).await,
                    history::Call::Cached => {
                        let value = match Cache::of(call.key) {
                            Some(cache) => caches::get_later(&call, cache).await,
                            None => body::cached_later(&call).await,
                        };
                        returned(&call, asking, value);
                    }
                    history::Call::Once => returned_once(asking, body::once_later(&call).await),
                    history::Call::Forget => asking.done(call.lock().forget().await.map(drop)),
                }
            }),
        });
        if let Err(error) = task.await
            && let Ok(payload) = error.try_into_panic()
            && !is_on_purpose(&*payload)
        {
            resume_unwind(payload);
        }
        tokio::time::sleep(self.pause()).await;
    }
}

fn hold(call: &Call, asking: Asking<'_>) {
    let guard = match call.lock().acquire_blocking() {
        Ok(guard) => guard,
        Err(error) => return asking.refused(&error),
    };
    asking.granted();
    let lock = guard.handle();
    let mut holding = Holding::begin(call, Some(&lock));
    for step in &call.steps {
        thread::sleep(*step);
        if !holding.act() {
            break;
        }
    }
    let how = fated(call);
    holding.end(how);
    let releasing = call.releasing(lock.fencing_token());
    let ended = match how {
        How::Release => guard.release_blocking(),
        How::Abandon => guard.abandon_blocking(),
        _ => {
            drop(guard);
            Ok(())
        }
    };
    releasing.answer(ended, &lock);
}

async fn hold_later(call: &Call, asking: Asking<'_>) {
    let guard = match call.lock().acquire().await {
        Ok(guard) => guard,
        Err(error) => return asking.refused(&error),
    };
    asking.granted();
    let lock = guard.handle();
    let mut holding = Holding::begin(call, Some(&lock));
    for step in &call.steps {
        tokio::time::sleep(*step).await;
        if !holding.act() {
            break;
        }
    }
    let how = fated(call);
    holding.end(how);
    let ended = async |guard: Guard| match how {
        How::Release => guard.release().await,
        How::Abandon => guard.abandon().await,
        _ => {
            drop(guard);
            Ok(())
        }
    };
    let releasing = call.releasing(lock.fencing_token());
    releasing.answer(ended(guard).await, &lock);
}

/// How a turn ends whose call has a fate.
fn fated(call: &Call) -> How {
    match call.fate {
        Fate::Succeeds => call.how,
        Fate::Fails => How::Drop,
        Fate::Panics => panic!("{ON_PURPOSE}"),
        Fate::Dies => body::die(),
    }
}

fn returned(call: &Call, asking: Asking<'_>, value: Result<Value, AppError>) {
    match value {
        Ok(value) => {
            asking.answer(What::Value {
                whole: value.is_whole(call.key),
                run: value.run,
                fence: value.fence,
            });
        }
        Err(error) => failed(asking, &error),
    }
}

fn returned_once(asking: Asking<'_>, done: Result<(), AppError>) {
    match done {
        Ok(()) => asking.answer(What::Done),
        Err(error) => failed(asking, &error),
    }
}

fn failed(asking: Asking<'_>, error: &AppError) {
    match error {
        AppError::Lock(error) => asking.refused(error),
        AppError::Own(run) => {
            asking.answer(What::Fail { kind: "own".to_owned(), run: Some(run.clone()) });
        }
    }
}

/// A future that is dropped after some polls, while its last request is on its way.
struct AtMost<F> {
    future: Pin<Box<F>>,
    polls: u32,
    linger: Duration,
}

impl<F: Future> Future for AtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => {
                thread::sleep(self.linger);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
