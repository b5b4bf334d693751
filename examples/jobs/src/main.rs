//! A nightly job on five schedulers: one runs it, the others are turned away.
//!
//! `cargo run --release -p dspinlock-jobs` prints who ran. `--redis URL` or `DSPINLOCK_URL` names a server; otherwise a
//! private `redis-server` or `valkey-server` from the `PATH` is started.

use std::error::Error;
use std::process;
use std::time::Duration;

use dspinlock::dspinlock;
use dspinlock_testkit::{Child, Place, clock, this_program};
use lexopt::prelude::*;

type Failure = Box<dyn Error + Send + Sync>;

const SCHEDULERS: usize = 5;

/// A scheduler that is silent for longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The first caller of a night runs; `expire` keeps late schedulers away, too.
#[dspinlock(key = night, namespace = "nightly-example", once, expire = "20h", otherwise = Ok("was turned away"))]
fn nightly(night: &str) -> Result<&'static str, Failure> {
    Ok("ran")
}

fn main() -> Result<(), Failure> {
    let (mut redis, mut night) = (None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("redis") => redis = Some(parser.value()?.string()?),
            // The parent adds this when it starts this binary again.
            Long("night") => night = Some(parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match night {
        Some(night) => schedule(&night),
        None => watch(redis.as_deref()),
    }
}

/// One scheduler: it is ready, waits for the hour, and calls.
fn schedule(night: &str) -> Result<(), Failure> {
    dspinlock::current_client()?.ping_blocking()?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    println!("{}", nightly(night)?);
    Ok(dspinlock::shutdown_blocking(Duration::from_secs(5))?)
}

/// Starts the schedulers, lets them call at the same moment, and starts one of them again afterwards.
fn watch(redis: Option<&str>) -> Result<(), Failure> {
    let place = Place::of_processes(redis)?;
    println!("{SCHEDULERS} schedulers meet at {place}.");
    let night = format!("{}-{}", process::id(), clock::now().as_nanos());
    let start = || -> Result<Child, Failure> {
        let mut command = this_program();
        let mut child = Child::start(command.args(["--night", &night]).env("DSPINLOCK_URL", &place.url))?;
        match child.hear(LIMIT)?.as_str() {
            "ready" => Ok(child),
            other => Err(format!("a scheduler said {other:?}").into()),
        }
    };
    let mut schedulers = (0..SCHEDULERS).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    for scheduler in &mut schedulers {
        scheduler.say("it is time")?;
    }
    let mut ran = 0;
    for (number, scheduler) in schedulers.iter_mut().enumerate() {
        let answer = scheduler.hear(LIMIT)?;
        println!("scheduler {number}  {answer}");
        ran += usize::from(answer == "ran");
    }
    let mut late = start()?;
    late.say("it is time")?;
    let answer = late.hear(LIMIT)?;
    println!("one that comes late  {answer}");
    ran += usize::from(answer == "ran");
    println!("runs: {ran}, turned away: {}", SCHEDULERS + 1 - ran);
    if ran == 1 { Ok(()) } else { Err("the job has to run once".into()) }
}
