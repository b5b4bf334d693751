//! Results that are computed once and shared, and the cost of reading one again.

use crate::Fallible;
use crate::child::{Figures, Worker};
use crate::contestants::{Contestant, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::cell::Cell;

/// How long the one computation takes.
const COMPUTING_MS: u64 = 500;

fn by_hand() -> Contestant {
    Contestant::task(Engine::Plain).named("by-hand")
}

/// 4 processes with 50 callers each; the value is the time from the start.
pub(super) fn dedupe(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        by_hand(),
        Contestant::task(Engine::Dspinlock),
        // Each of its callers computes.
        Contestant::task(Engine::Cached).aside(),
        Contestant::thread(Engine::RedisPy),
        // It shares no result.
        Contestant::thread(Engine::PyDspinlock).aside(),
    ];
    share(options, place, &contestants, 4, &["callers=50"], "started")
}

/// 10,000 callers in one process; the value is the time from the end of the computation. By hand one caller asks for all.
pub(super) fn dedupe_in_one(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants = [
        by_hand(),
        Contestant::task(Engine::Dspinlock),
        // It shares within the process, and knows no server.
        Contestant::task(Engine::Moka).aside(),
    ];
    share(options, place, &contestants, 1, &["callers=10000", "once=1"], "computed")
}

fn share(
    options: &Options,
    place: &Place,
    contestants: &[Contestant],
    processes: usize,
    more: &[&str],
    from: &str,
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
        let before = place.work();
        workers.iter_mut().try_for_each(|worker| worker.tell(&turn.get().to_string()))?;
        let runs: Vec<Figures> =
            workers.iter_mut().map(|worker| worker.hear("done")).collect::<Fallible<_>>()?;
        let commands = place.since(&before, contestant.engine).commands;
        let least = |name: &str| runs.iter().map(|run| run[name]).fold(f64::INFINITY, f64::min);
        let latest = runs.iter().map(|run| run["last"]).fold(0.0, f64::max);
        let since = |name: &str| (latest - least(name)) / 1e3;
        Ok(Sample::new(since(from))
            .with("after_computed_ms", since("computed"))
            .with("all_ms", since("started"))
            .with("computations", runs.iter().map(|run| run["computations"]).sum())
            .with("commands", commands))
    })
}

/// As large as a small page.
pub(super) fn hit_remote(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &remote(), &["bytes=1000"], 1e6)
}

pub(super) fn hit_1mb(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &remote(), &["bytes=1000000"], 1e6)
}

pub(super) fn hit_32mb(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &remote(), &["bytes=32000000"], 1e3)
}

fn remote() -> [Contestant; 3] {
    [Engine::Plain, Engine::Dspinlock, Engine::Cached].map(Contestant::task)
}

pub(super) fn local_arc(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &local(), &["local=1"], 1e9)
}

pub(super) fn local_clone(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &local(), &["local=2"], 1e9)
}

/// The peers keep only what can be cloned.
pub(super) fn local_decoded(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &local()[..3], &["local=3"], 1e9)
}

/// A call that takes a lock of the store in memory, and does nothing.
pub(super) fn annotated(options: &Options, place: &Place) -> Vec<Standing> {
    hit(options, place, &local()[..3], &["local=4"], 1e9)
}

fn local() -> [Contestant; 5] {
    [
        by_hand(),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        Contestant::task(Engine::Cached),
        Contestant::task(Engine::Moka),
    ]
}

/// One caller, again and again; a second has `scale` of the row's unit.
fn hit(
    options: &Options,
    place: &Place,
    contestants: &[Contestant],
    settings: &[&str],
    scale: f64,
) -> Vec<Standing> {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let prepare = |contestant: &Contestant| Worker::start(contestant, "hit", &place.url(), &settings);
    let length = options.sample().as_millis().to_string();
    in_turns(options, false, contestants, prepare, |contestant, worker| {
        let before = place.work();
        let run = worker.ask(&length)?;
        let rounds = run["rounds"].max(1.0);
        let commands = place.since(&before, contestant.engine).commands / rounds;
        Ok(Sample::new(run["seconds"] * scale / rounds).with("commands", commands))
    })
}

/// How long a copy is still served once another process has forgotten the key.
pub(super) fn lag(options: &Options, place: &Place) -> Vec<Standing> {
    let contestants =
        [Contestant::task(Engine::Dspinlock), Contestant::thread(Engine::Dspinlock).called("threads")];
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
