//! Values and waiting under stress: threads, tasks and processes do at random what users do, with bodies that fail and
//! panic, futures that are dropped, and processes that are killed in mid-computation; then a checker reads the log of it.
//!
//! `DSPINLOCK_SEED` repeats the dice of one round, `DSPINLOCK_STRESS_SECONDS` makes the test longer.

mod body;
mod checker;
mod history;
mod keys;
mod log;
mod round;
mod worker;

use std::env;

use history::History;
use round::Round;

/// How long a round lasts.
const SECONDS: u64 = 4;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

#[test]
fn whatever_happens_callers_get_the_right_value_in_time() {
    // The workers are this very test in processes of their own.
    if let Some(job) = worker::Job::of_this_process() {
        return job.work();
    }
    let rounds = number("DSPINLOCK_STRESS_SECONDS").unwrap_or(3 * SECONDS).div_ceil(SECONDS);
    let mut total = Seen::default();
    for round in 0..rounds {
        // Each third round is one without deaths: what is not given back is covered by no killed process's lease.
        let random = || fastrand::u64(..1 << 32) * 3 + round % 3;
        let seed = number("DSPINLOCK_SEED").map_or_else(random, |seed| seed + round);
        println!("round {round} of {rounds}: DSPINLOCK_SEED={seed}");
        let mut round = Round::start(seed, SECONDS);
        round.run();
        let log = round.log();
        let history = History::read(&log);
        let happened = Seen::of(&history);
        println!("{happened:?}");
        total.add(&happened);
        let wrong = checker::check(&history);
        assert!(
            wrong.is_empty(),
            "DSPINLOCK_SEED={seed}: {} of {} callers or runs went wrong; the log is {}\n{}",
            wrong.len(),
            history.callers.len() + history.runs.len(),
            round.path().display(),
            wrong[..wrong.len().min(8)].join("\n")
        );
        round.assert_nothing_is_blocked();
        round.clean();
    }
    // A round in which nothing happened would prove nothing.
    assert!(
        rounds < 3 || total.0.iter().all(|(_, count)| *count >= rounds.div_ceil(3)),
        "too little happened: {total:?}"
    );
}

/// How often each thing has happened.
#[derive(Debug, Default)]
struct Seen(std::collections::BTreeMap<&'static str, u64>);

impl Seen {
    fn of(history: &History) -> Self {
        let mut seen = Self::default();
        for what in [
            "values of other processes",
            "values",
            "failed",
            "own",
            "contended",
            "dropped",
            "panicked",
            "forgot",
            "done",
        ] {
            seen.0.insert(what, 0);
        }
        for caller in &history.callers {
            let Some((_, words)) = &caller.returned else { continue };
            let what = match &*words[0] {
                "value" => {
                    let foreign = history.run(&words[1]).is_some_and(|run| run.process != caller.process);
                    if foreign { "values of other processes" } else { "values" }
                }
                "failed" => "failed",
                "own" => "own",
                "contended" => "contended",
                "dropped" => "dropped",
                "panicked" => "panicked",
                "forgot" => "forgot",
                _ => "done",
            };
            *seen.0.entry(what).or_default() += 1;
        }
        let killed = |run: &&history::Run| run.end.is_none() && history.deaths.contains_key(&run.process);
        seen.0.insert("runs", history.runs.len() as u64);
        seen.0.insert("killed runs", history.runs.iter().filter(killed).count() as u64);
        seen
    }

    fn add(&mut self, more: &Self) {
        for (what, count) in &more.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}
