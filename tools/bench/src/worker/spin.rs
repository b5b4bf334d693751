//! Callers that take locks and give them back as fast as possible for some time.

use super::callers::{Blocking, Tasked, blocking, tasked};
use super::{Answer, Goal, Settings, processor, take_orders};
use crate::Fallible;
use crate::contestants::Door;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Each caller makes a few rounds before the measurement.
const WARM_UP: u64 = 20;

/// Shared by all callers of this process.
struct Shared {
    one_key: bool,
    stop: AtomicBool,
    /// How many rounds are left to begin, if their number was ordered.
    left: Option<AtomicU64>,
    /// Whether a caller is inside, for callers of one key.
    inside: AtomicBool,
    overlaps: AtomicU64,
    /// The rounds of each caller. One that ends after the stop doesn't count.
    rounds: Vec<AtomicU64>,
}

impl Shared {
    fn new(callers: usize, one_key: bool, goal: Goal) -> Arc<Self> {
        Arc::new(Self {
            one_key,
            stop: AtomicBool::new(false),
            left: if let Goal::Rounds(rounds) = goal { Some(AtomicU64::new(rounds)) } else { None },
            inside: AtomicBool::new(false),
            overlaps: AtomicU64::new(0),
            rounds: (0..callers).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Whether another round is to begin.
    fn begins(&self) -> bool {
        let one_less = |left: &AtomicU64| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        self.goes_on() && self.left.as_ref().is_none_or(one_less)
    }

    /// The critical section. It only checks that no other caller is inside.
    fn section(&self, caller: usize) {
        if self.one_key && self.inside.swap(true, Ordering::AcqRel) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        if self.goes_on() {
            self.rounds[caller].fetch_add(1, Ordering::Relaxed);
        }
        if self.one_key {
            self.inside.store(false, Ordering::Release);
        }
    }

    /// Stops all callers, and counts.
    fn counts(&self, start: Instant) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let took = start.elapsed();
        let rounds = self.rounds.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Counts { rounds, overlaps: self.overlaps.load(Ordering::Relaxed), took }
    }
}

/// The counts of one run.
struct Counts {
    rounds: Vec<u64>,
    overlaps: u64,
    took: Duration,
}

/// The role: `callers` on one key or on a key each (`one_key`); the order is their goal.
///
/// Callers of one key work for one order only: the answer does not wait for those that wait for the lock.
pub(super) fn serve(settings: &Settings) -> Fallible<()> {
    let one_key = settings.get("one_key", 0) == 1;
    let name = |caller: u64| if one_key { settings.shared_key() } else { format!("own-{caller}") };
    let keys: Vec<String> = (0..settings.get("callers", 1)).map(name).collect();
    // On one key the first connects for all: the others would have to wait for their turns.
    let warm = if one_key { 1 } else { keys.len() };
    match settings.door {
        Door::Blocking => {
            let mut callers = blocking(settings, &keys)?;
            for caller in &mut callers[..warm] {
                for _ in 0..WARM_UP {
                    caller.acquire()?;
                    caller.release()?;
                }
            }
            take_orders(|order| {
                let goal = Goal::parse(order)?;
                let shared = Shared::new(keys.len(), one_key, goal);
                measured(|| threads(&mut callers, &shared, goal))
            })
        }
        Door::Async => {
            let runtime = &settings.runtime;
            let mut callers = runtime.block_on(tasked(settings, &keys))?;
            runtime.block_on(async {
                for caller in &mut callers[..warm] {
                    for _ in 0..WARM_UP {
                        caller.acquire().await?;
                        caller.release().await?;
                    }
                }
                Fallible::Ok(())
            })?;
            take_orders(|order| {
                let goal = Goal::parse(order)?;
                let shared = Shared::new(keys.len(), one_key, goal);
                measured(|| runtime.block_on(tasks(&mut callers, &shared, goal)))
            })
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no caller makes 2^53 rounds")]
fn measured(run: impl FnOnce() -> Fallible<Counts>) -> Fallible<Answer> {
    let before = processor();
    let counts = run()?;
    let cpu = processor() - before;
    let sum = counts.rounds.iter().sum::<u64>() as f64;
    Ok(vec![
        ("rounds", sum),
        ("seconds", counts.took.as_secs_f64()),
        ("least", counts.rounds.iter().min().copied().unwrap_or_default() as f64),
        ("most", counts.rounds.iter().max().copied().unwrap_or_default() as f64),
        ("overlaps", counts.overlaps as f64),
        ("cpu_us", cpu / sum.max(1.0)),
    ])
}

type Task = tokio::task::JoinHandle<Fallible<Box<dyn Tasked>>>;
type Thread = JoinHandle<Fallible<Box<dyn Blocking>>>;

/// Each caller on a thread of its own. They come back for the next run, those of one key excepted.
fn threads(callers: &mut Vec<Box<dyn Blocking>>, shared: &Arc<Shared>, goal: Goal) -> Fallible<Counts> {
    let start = Instant::now();
    let run = |(number, mut caller): (usize, Box<dyn Blocking>)| -> Thread {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            while shared.begins() {
                caller.acquire()?;
                shared.section(number);
                caller.release()?;
            }
            Ok(caller)
        })
    };
    let running: Vec<Thread> = callers.drain(..).enumerate().map(run).collect();
    if running.is_empty() {
        return Err("these callers have had their run".into());
    }
    let mut counts = None;
    if let Goal::For(length) = goal {
        std::thread::sleep(length);
        counts = Some(shared.counts(start));
    }
    let waits_for = |thread: &Thread| counts.is_none() || !shared.one_key || thread.is_finished();
    for thread in running.into_iter().filter(waits_for) {
        callers.push(thread.join().map_err(|_| "a caller panicked")??);
    }
    Ok(counts.unwrap_or_else(|| shared.counts(start)))
}

/// Each caller in a task of its own. They come back for the next run, those of one key excepted.
async fn tasks(callers: &mut Vec<Box<dyn Tasked>>, shared: &Arc<Shared>, goal: Goal) -> Fallible<Counts> {
    let start = Instant::now();
    let run = |(number, caller)| tokio::spawn(go_round(caller, number, Arc::clone(shared)));
    let running: Vec<Task> = callers.drain(..).enumerate().map(run).collect();
    if running.is_empty() {
        return Err("these callers have had their run".into());
    }
    let mut counts = None;
    if let Goal::For(length) = goal {
        tokio::time::sleep(length).await;
        counts = Some(shared.counts(start));
    }
    let waits_for = |task: &Task| counts.is_none() || !shared.one_key || task.is_finished();
    for task in running.into_iter().filter(waits_for) {
        callers.push(task.await??);
    }
    Ok(counts.unwrap_or_else(|| shared.counts(start)))
}

async fn go_round(
    mut caller: Box<dyn Tasked>,
    number: usize,
    shared: Arc<Shared>,
) -> Fallible<Box<dyn Tasked>> {
    while shared.begins() {
        caller.acquire().await?;
        shared.section(number);
        caller.release().await?;
    }
    Ok(caller)
}
