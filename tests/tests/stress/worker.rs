//! A worker process: threads and tasks that do at random what users do.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{env, panic, thread};

use dspinlock::{Client, DSpinlock, Guard, Result};
use dspinlock_tests::ms;
use fastrand::Rng;

use crate::body::{Call, Fate, ON_PURPOSE, failed};
use crate::keys::{Key, Kind, LEASE, LOCKS, SLOW, VALUES, by_attribute, by_attribute_later};
use crate::log::{Log, micros, now};

const THREADS: u64 = 3;
const TASKS: u64 = 6;

/// What the parent tells a worker by its environment.
pub(crate) struct Job {
    pub(crate) url: String,
    pub(crate) log: PathBuf,
    pub(crate) seed: u64,
    /// The moment from which nothing new is begun.
    pub(crate) until: u64,
    /// The moment from which the next body to run is the last one: its process is killed.
    pub(crate) mortal_from: u64,
}

impl Job {
    const NAME: &'static str = "DSPINLOCK_STRESS_WORKER";

    /// The job of this process, if it is a worker.
    pub(crate) fn of_this_process() -> Option<Self> {
        let text = env::var(Self::NAME).ok()?;
        let mut words = text.splitn(5, ' ');
        let mut next = || words.next().expect("five words");
        let mut number = || next().parse().unwrap();
        let (seed, until, mortal_from) = (number(), number(), number());
        Some(Self { seed, until, mortal_from, url: next().to_owned(), log: next().into() })
    }

    pub(crate) fn variable(&self) -> (&'static str, String) {
        (
            Self::NAME,
            format!("{} {} {} {} {}", self.seed, self.until, self.mortal_from, self.url, self.log.display()),
        )
    }

    pub(crate) fn work(self) {
        hide_panics_on_purpose();
        let (client, log) = (Client::from_url(&self.url).unwrap(), Arc::new(Log::open(&self.log)));
        let actor = |number| Actor {
            client: client.clone(),
            log: Arc::clone(&log),
            dice: Rng::with_seed(self.seed.wrapping_mul(1_000_003).wrapping_add(number)),
            until: self.until,
            mortal_from: self.mortal_from,
        };
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        thread::scope(|scope| {
            for number in 0..THREADS {
                let mut actor = actor(number);
                scope.spawn(move || {
                    while actor.goes_on() {
                        actor.act();
                    }
                });
            }
            let tasks: Vec<_> = (THREADS..THREADS + TASKS)
                .map(|number| {
                    let mut actor = actor(number);
                    tokio.spawn(async move {
                        while actor.goes_on() {
                            actor.act_later().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                tokio.block_on(task).unwrap();
            }
        });
        log.write("done");
    }
}

fn hide_panics_on_purpose() {
    let show = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_on_purpose(panic.payload()) {
            show(panic);
        }
    }));
}

fn is_on_purpose(payload: &(dyn Any + Send)) -> bool {
    payload.downcast_ref::<String>().is_some_and(|text| text == ON_PURPOSE)
        || payload.downcast_ref::<&str>().is_some_and(|text| *text == ON_PURPOSE)
}

/// What to do next.
enum Deed {
    Value {
        attribute: bool,
        patience: Patience,
    },
    Lock {
        end: End,
    },
    /// COMPUTED without a value.
    Mark,
    Forget,
}

#[derive(Clone, Copy)]
enum End {
    Release,
    Abandon,
    Drop,
}

struct Actor {
    client: Client,
    log: Arc<Log>,
    dice: Rng,
    until: u64,
    mortal_from: u64,
}

impl Actor {
    fn goes_on(&self) -> bool {
        now() < self.until
    }

    fn roll(&mut self) -> (Deed, Call) {
        let of = |dice: &mut Rng, wanted: fn(&Key) -> bool| {
            let keys: Vec<_> = VALUES.iter().filter(|key| wanted(key)).collect();
            keys[dice.usize(..keys.len())]
        };
        let (deed, key) = match self.dice.u32(..1_000) {
            ..10 => (Deed::Forget, of(&mut self.dice, |key| key.forgotten)),
            10..16 => (Deed::Mark, of(&mut self.dice, |key| key.marked)),
            16..200 => {
                let end = [End::Release, End::Abandon, End::Drop][self.dice.usize(..3)];
                (Deed::Lock { end }, &LOCKS[self.dice.usize(..LOCKS.len())])
            }
            _ => {
                let polls = if self.dice.bool() { self.dice.u32(1..12) } else { u32::MAX };
                let linger = Duration::from_micros(self.dice.u64(..800));
                let patience = Patience { polls, linger };
                let key = of(&mut self.dice, |_| true);
                // In code there is no `local` and the like; the doors meet at the keys of the plain kind.
                let attribute = key.kind != Kind::Plain || self.dice.bool();
                (Deed::Value { attribute, patience }, key)
            }
        };
        let fate = match self.dice.u32(..1_000) {
            _ if now() > self.mortal_from => Fate::Dies,
            ..80 => Fate::Panics,
            80..230 => Fate::Fails,
            _ => Fate::Succeeds,
        };
        let long = key.name == "forgotten" || self.dice.u32(..60) == 0;
        let steps = (0..self.dice.u32(0..4)).map(|_| ms(self.dice.u64(if long { 20..300 } else { 0..15 })));
        let mut steps: Vec<_> = steps.collect();
        if key.kind == Kind::Slow && now() + micros(SLOW) < self.until {
            steps = vec![SLOW / 50; 50];
        }
        let budget = match &deed {
            Deed::Value { attribute: true, .. } if key.kind == Kind::Slow || self.dice.u32(..5) == 0 => {
                ms(self.dice.u64(30..400))
            }
            _ => ms(4_000),
        };
        let forgets = key.kind == Kind::Plain && key.forgotten && self.dice.bool();
        let client = self.client.clone();
        (
            deed,
            Call { client, id: self.log.id(), log: Arc::clone(&self.log), key, budget, fate, steps, forgets },
        )
    }

    fn pause(&mut self) -> Duration {
        ms(self.dice.u64(..12))
    }

    fn act(&mut self) {
        let (deed, call) = self.roll();
        call.begin();
        match deed {
            Deed::Value { attribute, .. } => {
                let compute = || {
                    if attribute {
                        by_attribute(&call)
                    } else {
                        call.in_code().get_or_compute_blocking(|| call.compute(None))
                    }
                };
                match catch_unwind(AssertUnwindSafe(compute)) {
                    Ok(returned) => call.returned(returned),
                    Err(payload) if is_on_purpose(&*payload) => call.outcome("panicked"),
                    Err(payload) => panic::resume_unwind(payload),
                }
            }
            Deed::Lock { end } => hold(&call, plain(&call).acquire_blocking(), |guard| match end {
                End::Release => guard.release_blocking(),
                End::Abandon => guard.abandon_blocking(),
                End::Drop => {
                    drop(guard);
                    Ok(())
                }
            }),
            Deed::Mark => hold(&call, call.in_code().acquire_blocking(), Guard::release_blocking),
            Deed::Forget => call.forgot(call.in_code().forget_blocking()),
        }
        thread::sleep(self.pause());
    }

    async fn act_later(&mut self) {
        let (deed, call) = self.roll();
        call.begin();
        match deed {
            Deed::Value { attribute, patience } => {
                let call = Arc::new(call);
                let ours = Arc::clone(&call);
                // A task of its own, so that its panic ends nothing else.
                let task = tokio::spawn(async move {
                    let compute = async {
                        if attribute {
                            by_attribute_later(&ours).await
                        } else {
                            ours.in_code().get_or_compute(|| ours.compute_later(None)).await
                        }
                    };
                    AtMost { future: Box::pin(compute), patience }.await
                });
                match task.await {
                    Ok(Some(returned)) => call.returned(returned),
                    Ok(None) => call.outcome("dropped"),
                    Err(error) => {
                        let payload = error.into_panic();
                        assert!(is_on_purpose(&*payload), "a panic of the library's");
                        call.outcome("panicked");
                    }
                }
            }
            Deed::Lock { end } => {
                let guard = plain(&call).acquire().await;
                let end = async |guard: Guard| match end {
                    End::Release => guard.release().await,
                    End::Abandon => guard.abandon().await,
                    End::Drop => {
                        drop(guard);
                        Ok(())
                    }
                };
                hold_later(&call, guard, end).await;
            }
            Deed::Mark => hold_later(&call, call.in_code().acquire().await, Guard::release).await,
            Deed::Forget => call.forgot(call.in_code().forget().await),
        }
        tokio::time::sleep(self.pause()).await;
    }
}

fn plain(call: &Call) -> DSpinlock {
    call.client.lock(call.key.name).namespace("stress").expire(None).lease(LEASE).wait(call.budget)
}

fn hold(call: &Call, guard: Result<Guard>, end: impl FnOnce(Guard) -> Result<()>) {
    let guard = match guard {
        Ok(guard) => guard,
        Err(error) => return call.outcome(&failed(&error)),
    };
    let handle = guard.handle();
    let run = call.start(Some(&handle));
    thread::sleep(call.steps.first().copied().unwrap_or_default() / 8);
    run.end("hold");
    let ended = end(guard);
    ended_well(call, ended, handle.is_held());
}

async fn hold_later(call: &Call, guard: Result<Guard>, end: impl AsyncFnOnce(Guard) -> Result<()>) {
    let guard = match guard {
        Ok(guard) => guard,
        Err(error) => return call.outcome(&failed(&error)),
    };
    let handle = guard.handle();
    let run = call.start(Some(&handle));
    tokio::time::sleep(call.steps.first().copied().unwrap_or_default() / 8).await;
    run.end("hold");
    let ended = end(guard).await;
    ended_well(call, ended, handle.is_held());
}

fn ended_well(call: &Call, ended: Result<()>, still_held: bool) {
    match ended {
        _ if still_held => call.outcome("error held after its end"),
        Ok(()) => call.outcome("done"),
        Err(error) => call.outcome(&failed(&error)),
    }
}

/// After how many polls a future is dropped, and how long after the last of them: so long its request is on its way.
#[derive(Clone, Copy)]
struct Patience {
    polls: u32,
    linger: Duration,
}

/// A future that is dropped when patience is over.
struct AtMost<F> {
    future: Pin<Box<F>>,
    patience: Patience,
}

impl<F: Future> Future for AtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.patience.polls -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.patience.polls == 0 => {
                thread::sleep(self.patience.linger);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
