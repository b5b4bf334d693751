//! Without contention: one caller, or 64 on keys of their own.

use crate::Fallible;
use crate::child::{Figures, Worker};
use crate::contestants::{Contestant, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;

pub(super) fn blocking(options: &Options, place: &Place) -> Vec<Standing> {
    spin(options, place, &threads(), 1, time)
}

pub(super) fn in_task(options: &Options, place: &Place) -> Vec<Standing> {
    spin(options, place, &tasks(), 1, time)
}

pub(super) fn in_current_thread(options: &Options, place: &Place) -> Vec<Standing> {
    spin(options, place, &tasks().map(|contestant| contestant.with("current_thread=1")), 1, time)
}

pub(super) fn parallel_tasks(options: &Options, place: &Place) -> Vec<Standing> {
    spin(options, place, &tasks(), 64, speed)
}

pub(super) fn parallel_threads(options: &Options, place: &Place) -> Vec<Standing> {
    spin(options, place, &threads(), 64, speed)
}

fn tasks() -> [Contestant; 3] {
    [Engine::Plain, Engine::Dspinlock, Engine::Rslock].map(Contestant::task)
}

fn threads() -> [Contestant; 6] {
    [
        Engine::Plain,
        Engine::Dspinlock,
        Engine::Redlock,
        Engine::RedisPy,
        Engine::PythonRedisLock,
        Engine::PyDspinlock,
    ]
    .map(Contestant::thread)
}

/// Microseconds for each pair.
fn time(run: &Figures) -> f64 {
    run["seconds"] * 1e6 / run["rounds"].max(1.0)
}

/// Pairs a second.
fn speed(run: &Figures) -> f64 {
    run["rounds"] / run["seconds"]
}

/// `callers` in one process, each on a key of its own.
fn spin(
    options: &Options,
    place: &Place,
    contestants: &[Contestant],
    callers: u64,
    value: fn(&Figures) -> f64,
) -> Vec<Standing> {
    let prepare = |contestant: &Contestant| -> Fallible<Worker> {
        Worker::start(contestant, "spin", &place.url(), &[format!("callers={callers}")])
    };
    let length = options.sample().as_millis().to_string();
    in_turns(options, false, contestants, prepare, |contestant, worker| {
        let before = place.work();
        let run = worker.ask(&length)?;
        let served = place.since(&before, contestant.engine);
        let rounds = run["rounds"].max(1.0);
        Ok(Sample::new(value(&run))
            .with("commands", served.commands / rounds)
            .with("cpu_us", run["cpu_us"])
            .with("server_us", served.micros / rounds))
    })
}
