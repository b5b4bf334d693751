//! Without contention: one caller, or 64 on keys of their own.

use super::count;
use crate::Fallible;
use crate::child::{Figures, Worker};
use crate::contestants::{Contestant, Door, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;

pub(super) fn blocking(options: &Options, place: &Place) -> Vec<Standing> {
    let engines = [
        Engine::Bare,
        Engine::Dspinlock,
        Engine::BareSet,
        Engine::Redlock,
        Engine::RedisPy,
        Engine::PythonRedisLock,
        Engine::PyDspinlock,
    ];
    let contestants = engines.map(|engine| Contestant::new(engine, Door::Blocking));
    spin(options, place, &contestants, 1, |run| run["seconds"] * 1e6 / run["rounds"].max(1.0))
}

pub(super) fn in_task(options: &Options, place: &Place) -> Vec<Standing> {
    let engines = [Engine::Bare, Engine::Dspinlock, Engine::BareSet, Engine::Rslock];
    let contestants = engines.map(|engine| Contestant::new(engine, Door::Async));
    spin(options, place, &contestants, 1, |run| run["seconds"] * 1e6 / run["rounds"].max(1.0))
}

pub(super) fn parallel(options: &Options, place: &Place) -> Vec<Standing> {
    let threads = |engine| Contestant::new(engine, Door::Blocking);
    let tasks = |engine| Contestant::new(engine, Door::Async);
    let contestants = [
        tasks(Engine::Bare),
        tasks(Engine::Dspinlock),
        tasks(Engine::BareSet),
        tasks(Engine::Rslock),
        threads(Engine::Bare).called("threads"),
        threads(Engine::Dspinlock).called("threads"),
        threads(Engine::Redlock),
        threads(Engine::RedisPy),
        threads(Engine::PythonRedisLock),
        threads(Engine::PyDspinlock),
    ];
    spin(options, place, &contestants, 64, |run| run["rounds"] / run["seconds"])
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
        let before = place.commands(contestant.engine);
        let run = worker.ask(&length)?;
        let each = count(place.commands(contestant.engine) - before) / run["rounds"].max(1.0);
        Ok(Sample::new(value(&run)).with("commands", each).with("cpu_us", run["cpu_us"]))
    })
}
