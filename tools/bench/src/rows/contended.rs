//! All callers want the same key.

use crate::Fallible;
use crate::child::{Figures, Worker};
use crate::contestants::{Contestant, Engine};
use crate::measure::{Sample, Standing, in_turns};
use crate::options::Options;
use crate::place::Place;
use std::cell::Cell;

/// 32 callers in one process.
pub(super) fn in_one_process(options: &Options, place: &Place) -> Vec<Standing> {
    let contest = Contest { processes: 1, callers: 32, length: [250, 3_000], figure: Figure::Sections };
    contest.hold(options, place, &all_contestants())
}

/// 4 processes with 8 callers each.
pub(super) fn between_processes(options: &Options, place: &Place) -> Vec<Standing> {
    let contest = Contest { processes: 4, callers: 8, length: [250, 3_000], figure: Figure::Sections };
    contest.hold(options, place, &quickly(options))
}

/// 8 processes with one caller each: does each get its share?
pub(super) fn fairness(options: &Options, place: &Place) -> Vec<Standing> {
    let contest = Contest { processes: 8, callers: 1, length: [500, 4_000], figure: Figure::LeastShare };
    contest.hold(options, place, &quickly(options))
}

/// All contestants. A quick run leaves out Python, whose processes take longer to start than everything else here.
fn quickly(options: &Options) -> Vec<Contestant> {
    let mut contestants = all_contestants();
    contestants.retain(|contestant| !(options.quick && contestant.engine.is_python()));
    contestants
}

/// All but `dspinlock` and `python-redis-lock` poll, at the fastest reasonable rate.
fn all_contestants() -> Vec<Contestant> {
    vec![
        Contestant::task(Engine::Plain).polling(1),
        Contestant::task(Engine::Dspinlock),
        Contestant::thread(Engine::Dspinlock).called("threads"),
        Contestant::task(Engine::Rslock).fast(),
        Contestant::thread(Engine::Redlock).fast(),
        Contestant::thread(Engine::RedisPy).fast(),
        Contestant::thread(Engine::PythonRedisLock),
        Contestant::thread(Engine::PyDspinlock).fast(),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Figure {
    /// How many sections a second, all processes together.
    Sections,
    /// The share of the least served process in its fair share.
    LeastShare,
}

struct Contest {
    processes: u32,
    callers: u64,
    /// In milliseconds, when it has to be quick and otherwise.
    length: [u64; 2],
    figure: Figure,
}

impl Contest {
    fn hold(&self, options: &Options, place: &Place, contestants: &[Contestant]) -> Vec<Standing> {
        let length = self.length[usize::from(!options.quick)].to_string();
        let turn = Cell::new(0_u32);
        let nothing = |_: &Contestant| Ok(());
        in_turns(options, options.quick, contestants, nothing, |contestant, ()| {
            turn.set(turn.get() + 1);
            self.turn(place, contestant, turn.get(), &length)
        })
    }

    /// New processes and a new key for each turn, so that it does not wait for callers that still wait at its end.
    fn turn(&self, place: &Place, contestant: &Contestant, turn: u32, length: &str) -> Fallible<Sample> {
        let more = [format!("callers={}", self.callers), "one_key=1".to_owned(), format!("turn={turn}")];
        let mut workers = (0..self.processes)
            .map(|_| Worker::start(contestant, "spin", &place.url(), &more))
            .collect::<Fallible<Vec<_>>>()?;
        let before = place.work();
        workers.iter_mut().try_for_each(|worker| worker.tell(length))?;
        let runs: Vec<Figures> =
            workers.iter_mut().map(|worker| worker.hear("done")).collect::<Fallible<_>>()?;
        let served = place.since(&before, contestant.engine);
        let processes = f64::from(self.processes);
        workers.into_iter().try_for_each(Worker::crash)?;
        let sum = |name: &str| runs.iter().map(|run| run[name]).sum::<f64>();
        let least = |name: &str| runs.iter().map(|run| run[name]).fold(f64::INFINITY, f64::min);
        let most = |name: &str| runs.iter().map(|run| run[name]).fold(0.0, f64::max);
        let sections = sum("rounds").max(1.0);
        let cpu = runs.iter().map(|run| run["cpu_us"] * run["rounds"]).sum::<f64>();
        let share = least("rounds") * processes / sections;
        let value = if self.figure == Figure::Sections { sections / most("seconds") } else { share };
        let sample = Sample::new(value)
            .with("commands", served.commands / sections)
            .with("cpu_us", cpu / sections)
            .with("least", least("least"))
            .with("most", most("most"))
            .with("evenness", least("least") / most("most").max(1.0))
            .with("overlaps", sum("overlaps"));
        Ok(if self.processes > 1 { sample.with("least_share", share) } else { sample })
    }
}
