//! Results that are computed once and shared, and the cost of reading one again.

use super::count;
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

fn task(engine: Engine) -> Contestant {
    Contestant::new(engine, Door::Async)
}

fn thread(engine: Engine) -> Contestant {
    Contestant::new(engine, Door::Blocking)
}

/// 4 processes with 50 callers each.
pub(super) fn dedupe(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        task(Engine::Bare),
        task(Engine::Dspinlock),
        task(Engine::Cached),
        thread(Engine::RedisPy),
        thread(Engine::PyDspinlock),
    ];
    share(options, place, &contestants, 4, &["callers=50"])
}

/// 10,000 callers in one process. The bare contestant has one caller for all, as hand-written code would.
pub(super) fn dedupe_in_one(options: &Options, place: &Place) -> Vec<Standing> {
    share(options, place, &[task(Engine::Bare), task(Engine::Dspinlock)], 1, &["callers=10000", "once=1"])
}

fn share(
    options: &Options,
    place: &Place,
    contestants: &[Contestant],
    processes: usize,
    more: &[&str],
) -> Vec<Standing> {
    let mut more: Vec<String> = more.iter().map(|&setting| setting.to_owned()).collect();
    more.push(format!("compute={COMPUTING_MS}"));
    let prepare = |contestant: &Contestant| -> Fallible<Vec<Worker>> {
        (0..processes).map(|_| Worker::start(contestant, "share", &place.url(), &more)).collect()
    };
    let turn = Cell::new(0_u32);
    in_turns(options, true, contestants, prepare, |contestant, workers| {
        // Each turn asks for something else.
        turn.set(turn.get() + 1);
        let before = place.commands(counted(contestant));
        workers.iter_mut().try_for_each(|worker| worker.tell(&turn.get().to_string()))?;
        let runs: Vec<Figures> =
            workers.iter_mut().map(|worker| worker.hear("done")).collect::<Fallible<_>>()?;
        let commands = count(place.commands(counted(contestant)) - before);
        let least = |name: &str| runs.iter().map(|run| run[name]).fold(f64::INFINITY, f64::min);
        let latest = runs.iter().map(|run| run["last"]).fold(0.0, f64::max);
        Ok(Sample::new((latest - least("started")) / 1e3)
            .with("after_computed_ms", (latest - least("computed")) / 1e3)
            .with("computations", runs.iter().map(|run| run["computations"]).sum())
            .with("commands", commands))
    })
}

/// As large as a small page.
pub(super) fn hit_remote(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &tasks(), "local=0", 1e6)
}

pub(super) fn hit_1kb(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &tasks(), "bytes=1000", 1e6)
}

pub(super) fn hit_1mb(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &tasks(), "bytes=1000000", 1e6)
}

pub(super) fn hit_32mb(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &tasks(), "bytes=32000000", 1e3)
}

pub(super) fn hit_local(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        task(Engine::Bare),
        task(Engine::Dspinlock),
        thread(Engine::Dspinlock).called("threads"),
        task(Engine::Cached),
    ];
    hit(options, place, &contestants, "local=1", 1e9)
}

fn tasks() -> [Contestant; 3] {
    [Engine::Bare, Engine::Dspinlock, Engine::Cached].map(task)
}

/// One caller, again and again; a second has `scale` of the row's unit.
fn hit(
    options: &Options,
    place: &Place,
    contestants: &[Contestant],
    setting: &str,
    scale: f64,
) -> Vec<Standing> {
    let prepare = |contestant: &Contestant| -> Fallible<Worker> {
        Worker::start(contestant, "hit", &place.url(), &[setting.to_owned()])
    };
    let length = options.sample().as_millis().to_string();
    in_turns(options, false, contestants, prepare, |contestant, worker| {
        let before = place.commands(counted(contestant));
        let run = worker.ask(&length)?;
        let commands = count(place.commands(counted(contestant)) - before);
        let rounds = run["rounds"].max(1.0);
        Ok(Sample::new(run["seconds"] * scale / rounds).with("commands", commands / rounds))
    })
}

/// How long a copy is still served once another process has forgotten the key.
pub(super) fn lag(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [task(Engine::Dspinlock), thread(Engine::Dspinlock).called("threads")];
    let prepare = |contestant: &Contestant| -> Fallible<[Worker; 2]> {
        let start = || Worker::start(contestant, "copy", &place.url(), &[]);
        Ok([start()?, start()?])
    };
    let rounds = if options.quick { 20 } else { 200 };
    in_turns(options, false, &contestants, prepare, |_, [keeper, other]| {
        let mut lags = Vec::new();
        while lags.len() < rounds {
            keeper.ask("keep")?;
            keeper.tell("watch")?;
            // Until it looks at its copy again and again.
            std::thread::sleep(std::time::Duration::from_millis(2));
            let forgotten = other.ask("forget")?["at"];
            let seen = keeper.hear("done")?;
            // On a busy machine it may have come too late to see its copy.
            if seen["looks"] > 0.0 {
                // The push often comes before the reply that `forget` waits for.
                lags.push((seen["last"] - forgotten).max(0.0));
            }
        }
        lags.sort_by(f64::total_cmp);
        let at = |percent: usize| lags[(lags.len() * percent / 100).min(lags.len() - 1)];
        Ok(Sample::new(at(99)).with("p50", at(50)).with("worst", at(100)))
    })
}
