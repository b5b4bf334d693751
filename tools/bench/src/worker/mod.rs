//! A worker process: it reads orders from its input, and answers with figures.

mod beside;
mod callers;
mod held;
mod hits;
mod local;
mod peers;
mod plain;
mod results;
mod spin;
mod turns;

use crate::Fallible;
use crate::contestants::{Door, Engine};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// What the worker was started with.
pub(crate) struct Settings {
    pub(crate) engine: Engine,
    pub(crate) door: Door,
    pub(crate) url: String,
    values: BTreeMap<String, u64>,
    /// Runs the tasks of async contestants; theirs alone. It has two threads, as a small service has it, or is on the current
    /// thread with `current_thread=1`.
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Settings {
    fn parse(engine: &str, url: &str, settings: &[String]) -> Fallible<Self> {
        let (mut values, mut door) = (BTreeMap::new(), Door::Blocking);
        for setting in settings {
            match setting.split_once('=') {
                Some(("door", "async")) => door = Door::Async,
                Some(("door", _)) => door = Door::Blocking,
                Some((name, value)) => drop(values.insert(name.to_owned(), value.parse()?)),
                None => return Err(format!("{setting:?} is no setting").into()),
            }
        }
        let mut runtime = if values.get("current_thread") == Some(&1) {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        Ok(Self {
            engine: Engine::from_name(engine).ok_or_else(|| format!("no engine {engine:?}"))?,
            door,
            url: url.to_owned(),
            values,
            runtime: runtime.worker_threads(2).enable_all().build()?,
        })
    }

    pub(crate) fn get(&self, name: &str, default: u64) -> u64 {
        self.values.get(name).copied().unwrap_or(default)
    }

    /// The key that all callers share: that of this turn, so that nothing is left on it from an earlier one.
    pub(crate) fn shared_key(&self) -> String {
        format!("shared-{}", self.get("turn", 0))
    }

    pub(crate) fn sleep_ms(&self) -> Option<u64> {
        self.values.get("sleep").copied()
    }
}

/// The figures of an answer, in order.
pub(crate) type Answer = Vec<(&'static str, f64)>;

/// Runs a worker: `ENGINE ROLE URL [NAME=VALUE]...`.
pub(crate) fn main(arguments: &[String]) -> Fallible<()> {
    let [engine, role, url, settings @ ..] = arguments else {
        return Err("a worker needs its engine, its role and a URL".into());
    };
    let settings = Settings::parse(engine, url, settings)?;
    match role.as_str() {
        "spin" => spin::serve(&settings),
        "turns" => turns::serve(&settings),
        "held" => held::serve(&settings),
        "beside" => beside::serve(&settings),
        "share" => results::serve(&settings),
        "hit" => hits::serve(&settings),
        "copy" => hits::serve_copy(&settings),
        "pause" => turns::serve_pause(&settings),
        other => Err(format!("no role {other:?}").into()),
    }
}

/// Says that the worker is ready, then does each order until the input ends.
pub(crate) fn take_orders(mut order: impl FnMut(&str) -> Fallible<Answer>) -> Fallible<()> {
    say("ready", &[])?;
    for line in std::io::stdin().lock().lines() {
        let answer = order(line?.trim())?;
        say("done", &answer)?;
    }
    Ok(())
}

fn say(word: &str, answer: &[(&'static str, f64)]) -> Fallible<()> {
    let mut output = std::io::stdout().lock();
    write!(output, "{word}")?;
    for (name, value) in answer {
        write!(output, " {name}={value}")?;
    }
    writeln!(output)?;
    Ok(output.flush()?)
}

/// How long callers go on: for some milliseconds, as in the order `500`, or for some rounds, as in `x2000`.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    For(Duration),
    Rounds(u64),
}

impl Goal {
    fn parse(order: &str) -> Fallible<Self> {
        Ok(match order.strip_prefix('x') {
            Some(rounds) => Self::Rounds(rounds.parse()?),
            None => Self::For(Duration::from_millis(order.parse()?)),
        })
    }
}

/// The rounds of one caller.
pub(crate) struct Run {
    goal: Goal,
    start: Instant,
    rounds: u64,
}

impl Run {
    pub(crate) fn start(order: &str) -> Fallible<Self> {
        Ok(Self { goal: Goal::parse(order)?, start: Instant::now(), rounds: 0 })
    }

    /// Whether so many further rounds are to be made; counts them.
    pub(crate) fn goes_on(&mut self, at_once: u32) -> bool {
        let more = match self.goal {
            Goal::For(length) => self.start.elapsed() < length,
            Goal::Rounds(rounds) => self.rounds < rounds,
        };
        self.rounds += if more { u64::from(at_once) } else { 0 };
        more
    }

    #[expect(clippy::cast_precision_loss, reason = "no caller makes 2^53 rounds")]
    pub(crate) fn answer(&self) -> Answer {
        vec![("rounds", self.rounds as f64), ("seconds", self.start.elapsed().as_secs_f64())]
    }
}

/// A moment of the machine's steady clock in microseconds, the same in all processes.
pub(crate) fn moment() -> f64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

/// The processor time of this process, in microseconds.
pub(crate) fn processor() -> f64 {
    micros(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since the start of the machine are exact for centuries"
)]
fn micros(time: rustix::time::Timespec) -> f64 {
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
