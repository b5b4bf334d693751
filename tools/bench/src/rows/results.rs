//! Results that are computed once and shared, and what it costs to have one again.

use crate::Fallible;
use crate::child::{Figures, Worker};
use crate::contestants::{Contestant, Door, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::cell::Cell;

/// How long the one computation takes.
const COMPUTING_MS: u64 = 500;

/// How the commands are counted: the bare ones call no script that has inner commands here.
fn counted(contestant: &Contestant) -> Engine {
    if contestant.engine == Engine::Bare { Engine::Cached } else { contestant.engine }
}

pub(super) fn dedupe(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        Contestant::new(Engine::Bare, Door::Async),
        Contestant::new(Engine::Dspinlock, Door::Async),
        Contestant::new(Engine::Cached, Door::Async),
        Contestant::new(Engine::RedisPy, Door::Blocking),
        Contestant::new(Engine::PyDspinlock, Door::Blocking),
    ];
    let more = ["callers=50".to_owned(), format!("compute={COMPUTING_MS}")];
    let prepare = |contestant: &Contestant| -> Fallible<Vec<Worker>> {
        (0..4).map(|_| Worker::start(contestant, "share", &place.url(), &more)).collect()
    };
    let turn = Cell::new(0_u32);
    in_turns(options, true, &contestants, prepare, |contestant, workers| {
        // Each turn asks for something else.
        turn.set(turn.get() + 1);
        let before = place.commands(counted(contestant));
        workers.iter_mut().try_for_each(|worker| worker.tell(&turn.get().to_string()))?;
        let runs: Vec<Figures> =
            workers.iter_mut().map(|worker| worker.hear("done")).collect::<Fallible<_>>()?;
        #[expect(clippy::cast_precision_loss, reason = "a sample has far fewer than 2^53 commands")]
        let commands = (place.commands(counted(contestant)) - before) as f64;
        let least = |name: &str| runs.iter().map(|run| run[name]).fold(f64::INFINITY, f64::min);
        let latest = runs.iter().map(|run| run["last"]).fold(0.0, f64::max);
        Ok(Sample::new((latest - least("started")) / 1e3)
            .with("after_computed_ms", (latest - least("computed")) / 1e3)
            .with("computations", runs.iter().map(|run| run["computations"]).sum())
            .with("commands", commands))
    })
}

pub(super) fn hit_remote(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, "remote")
}

pub(super) fn hit_local(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, "local")
}

/// What a contestant says whose feature is still to come.
const NOT_THERE_YET: &str = "not there yet";

fn hit(options: &Options, place: &Place, from: &str) -> Vec<Standing> {
    let contestants =
        [Engine::Bare, Engine::Dspinlock, Engine::Cached].map(|engine| Contestant::new(engine, Door::Async));
    let prepare = |contestant: &Contestant| -> Fallible<Worker> {
        if contestant.engine == Engine::Dspinlock && from == "local" {
            return Err(NOT_THERE_YET.into());
        }
        Worker::start(contestant, "hit", &place.url(), &[format!("local={}", u8::from(from == "local"))])
    };
    let length = options.sample().as_millis().to_string();
    in_turns(options, false, &contestants, prepare, |contestant, worker| {
        let before = place.commands(counted(contestant));
        let run = worker.ask(&length)?;
        let commands = place.commands(counted(contestant)) - before;
        #[expect(clippy::cast_precision_loss, reason = "a sample has far fewer than 2^53 commands")]
        let each = commands as f64 / run["rounds"].max(1.0);
        Ok(Sample::new(run["seconds"] * 1e6 / run["rounds"].max(1.0)).with("commands", each))
    })
}
