//! A worker process: its callers lock, compute, give up, panic and die at random, and log what they see.

mod actor;
mod body;
mod caches;
mod call;
mod gauge;
mod register;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{panic, thread};

use dspinlock::{Client, Config};
use fastrand::Rng;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::Fallible;
use crate::clock::{ms, now};
use crate::history::Log;
use actor::Actor;
pub(crate) use actor::CACHED_FROM;
pub(crate) use caches::Cache;
use call::Call;
use register::Register;

/// The hidden argument that makes this binary a worker.
pub(crate) const WORKER: &str = "--worker";

/// How long a killed process blocks others.
pub(crate) const LEASE: Duration = ms(300);
/// How long a waiter sleeps at most.
pub(crate) const SLEEP: Duration = ms(50);
/// How long connecting, and a reply, may take.
pub(crate) const TIMEOUT: Duration = ms(150);
/// How long a value or the mark of `once` stays.
pub(crate) const EXPIRE: Duration = ms(250);

/// Callers in a process.
const ACTORS: u64 = 3;

/// What the callers of a process use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Style {
    Async,
    Blocking,
    Mixed,
    Cached,
}

/// What the callers do, and how often in 1000 calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mix {
    /// How many keys are locked.
    pub(crate) keys: u64,
    /// How often it calls a cached function, or one that runs once, instead of locking.
    pub(crate) cached: u32,
    /// How often it uses the keys of [`Cache`] instead.
    pub(crate) caches: u32,
    pub(crate) fails: u32,
    pub(crate) panics: u32,
    /// Kills the process between the work and its end.
    pub(crate) dies: u32,
    /// Drops the future of an async call.
    pub(crate) cancels: u32,
    /// The runtime of the async callers is shut down again and again.
    pub(crate) shutdowns: bool,
    /// Holds for longer than a lease.
    pub(crate) long: u32,
    pub(crate) hold: Duration,
    pub(crate) pause: Duration,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            keys: 3,
            cached: 100,
            caches: 0,
            fails: 50,
            panics: 0,
            dies: 0,
            cancels: 0,
            shutdowns: false,
            long: 30,
            hold: ms(6),
            pause: ms(4),
        }
    }
}

/// What the controller tells a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) url: String,
    /// Where the fenced register is.
    pub(crate) register: u16,
    pub(crate) log: PathBuf,
    pub(crate) process: u32,
    pub(crate) seed: u64,
    /// The moment from which nothing new is begun.
    pub(crate) until: u64,
    pub(crate) style: Style,
    pub(crate) mix: Mix,
    /// Ignores the loss of its lock: a control.
    pub(crate) stubborn: bool,
    pub(crate) pool: usize,
}

/// The message of a deliberate panic, which is not shown.
const ON_PURPOSE: &str = "on purpose";

/// Does the job that the arguments describe, to its end.
///
/// # Errors
/// If there is no such job, or the history or the register can't be opened.
pub(crate) fn main(arguments: &[String]) -> Fallible<()> {
    let job: Job = serde_json::from_str(arguments.first().ok_or("a worker needs a job")?)?;
    // It ends with its controller, even if it is stopped at that time.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    hide_panics_on_purpose();
    let config = Config::from_url(&job.url)?
        .with_connect_timeout(TIMEOUT)
        .with_response_timeout(TIMEOUT)
        .with_pool_size(job.pool);
    let client = Call::named(&Client::from_config(&config)?, &format!("{}-0", job.process));
    let log = Arc::new(Log::open(&job.log, job.process)?);
    let register = Arc::new(Register::open(job.register)?);
    let actor = |number: u64| Actor {
        client: client.clone(),
        log: Arc::clone(&log),
        register: Arc::clone(&register),
        dice: Rng::with_seed(job.seed.wrapping_mul(1_000_003).wrapping_add(number)),
        job: job.clone(),
    };
    let gauge = gauge::start(Arc::clone(&log), job.until);
    let later = match job.style {
        Style::Async => ACTORS,
        Style::Blocking => 0,
        Style::Mixed | Style::Cached => ACTORS / 2 + 1,
    };
    thread::scope(|scope| {
        for number in later..ACTORS {
            let mut actor = actor(number);
            scope.spawn(move || {
                while now() < actor.job.until {
                    actor.act();
                }
            });
        }
        let actors: Vec<_> = (0..later).map(actor).collect();
        run_later(actors, &job);
    });
    gauge.join().map_err(|_| "the gauge has panicked")?;
    Ok(())
}

/// Runs the async callers, on one runtime after the other if runtimes are shut down.
fn run_later(mut actors: Vec<Actor>, job: &Job) {
    let mut dice = Rng::with_seed(job.seed ^ 0x5151);
    let mut generation = 0;
    while now() < job.until && !actors.is_empty() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime for the callers");
        let again: Vec<_> = actors.iter().map(|actor| actor.again(generation)).collect();
        let tasks: Vec<_> = std::mem::replace(&mut actors, again)
            .into_iter()
            .map(|mut actor| {
                runtime.spawn(async move {
                    while now() < actor.job.until {
                        actor.act_later().await;
                    }
                })
            })
            .collect();
        if job.mix.shutdowns {
            thread::sleep(ms(dice.u64(30..250)));
            runtime.shutdown_timeout(Duration::ZERO);
            generation += 1;
        } else {
            for task in tasks {
                runtime.block_on(task).expect("a caller that does not panic");
            }
        }
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
