//! Tries to break `dspinlock`: worker processes lock while wires, servers and clocks fail, and a checker examines what they
//! log.
//!
//! ```sh
//! cargo run --release -p dspinlock-nemesis -- --seeds 3
//! ```
//!
//! A scenario starts a server, a proxy and a process for each of five workers, and a register on a server without faults
//! that refuses stale fencing tokens. The calls and the faults follow from the seed. One clock times everything: what each
//! process asked for and got ([`history`]), the faults ([`faults`]), and what the server did ([`truth`]). [`check`] needs only
//! these files.
//!
//! The controls are locks without a part of the protocol, whose scripts the proxy replaces, holders that ignore their
//! deadline, and py-dspinlock. Not covered: a cluster (but requests are done twice, as by a client that re-sends), a real
//! Sentinel (but its steps are), and a power loss.

mod check;
mod clock;
mod control;
mod draw;
mod faults;
mod history;
mod options;
mod report;
mod rig;
mod scenario;
mod truth;
mod wire;
mod worker;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use control::Control;
use options::{Asked, Options};
use report::{Figures, Row};
use scenario::{LEAST_FAULTS, Outcome, Scenario};

/// Errors are shown, not handled.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == worker::WORKER => worker::main(rest).map(|()| true),
        _ => nemesis(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all properties held, and enough happened to prove that.
fn nemesis(arguments: &[String]) -> Fallible<bool> {
    let options = match Options::parse(arguments)? {
        Asked::Run(options) => options,
        Asked::Help => {
            print!("{}", options::HELP);
            return Ok(true);
        }
        Asked::List => {
            for scenario in &scenario::ALL {
                println!("{:>2} {:<14} {}", scenario.number, scenario.name, scenario.about);
            }
            for control in &control::ALL {
                println!(" - {:<14} {}", control.name, control.about);
            }
            return Ok(true);
        }
    };
    let scenarios: Vec<_> =
        scenario::ALL.iter().filter(|scenario| options.wants(scenario.name, Some(scenario.number))).collect();
    let controls = controls(&options)?;
    if scenarios.is_empty() && controls.is_empty() {
        return Err("there is no such scenario or control; --list shows them".into());
    }
    let mut rows = Vec::new();
    for scenario in scenarios {
        rows.push(run(scenario, &options)?);
    }
    let mut figures = Figures { scenarios: u64::try_from(rows.len())?, ..Figures::default() };
    for control in controls {
        figures.controls += 1;
        figures.controls_caught += u64::from(is_caught(control, &options)?);
    }
    report::table(&rows);
    for row in &rows {
        figures.grants += row.grants;
        figures.faults += row.faults;
        figures.violations += row.violations;
    }
    println!("{}", serde_json::to_string(&figures)?);
    let conclusive = rows.iter().all(|row| row.inconclusive.is_none());
    Ok(conclusive && figures.violations == 0 && figures.controls == figures.controls_caught)
}

/// The controls to run. A missing Python is an error before anything runs.
fn controls(options: &Options) -> Fallible<Vec<&'static Control>> {
    let mut controls: Vec<_> =
        control::ALL.iter().filter(|control| options.wants(control.name, None)).collect();
    if !options.python {
        println!("without the control that needs Python: py-dspinlock is not tried");
        controls.retain(|control| !matches!(control.kind, control::Kind::Python));
    } else if controls.iter().any(|control| matches!(control.kind, control::Kind::Python)) {
        control::interpreter()?;
    }
    Ok(controls)
}

/// Runs a scenario with each seed, and with derived seeds until enough has happened to prove something: on a busy machine one
/// run may not suffice.
fn run(scenario: &Scenario, options: &Options) -> Fallible<Row> {
    let mut row = Row::of(scenario.name);
    for &first in &options.seeds {
        let (mut grants, mut faults, mut outcomes) = (0, 0, BTreeSet::new());
        for more in 0..MOST_RUNS {
            let seed = first + more * FURTHER_SEEDS;
            let outcome = run_once(scenario, seed, options, &mut row)?;
            (grants, faults) = (grants + outcome.verdict.grants, faults + outcome.faults);
            outcomes.extend(outcome.verdict.outcomes);
            let lacks = too_few(scenario, grants, faults, options.seconds).or_else(|| {
                let lacks = scenario.outcomes.iter().find(|outcome| !outcomes.contains(**outcome));
                lacks.map(|outcome| format!("no {outcome}"))
            });
            let Some(lacks) = lacks.filter(|_| outcome.verdict.violations.is_empty()) else { break };
            if more + 1 == MOST_RUNS {
                row.inconclusive.get_or_insert(format!("INCONCLUSIVE: seed {first} has {lacks}"));
            } else {
                eprintln!("{} {}: {lacks}, going on", scenario.number, scenario.name);
            }
        }
    }
    Ok(row)
}

/// How often a scenario runs at most with one seed and its derived ones.
const MOST_RUNS: u64 = 10;

/// The distance of derived seeds. `--seed` accepts them, too.
const FURTHER_SEEDS: u64 = 1_000_000;

fn run_once(scenario: &Scenario, seed: u64, options: &Options, row: &mut Row) -> Fallible<Outcome> {
    let dir = options.keep.join(format!("{}-{seed}", scenario.name));
    // Only the latest history is kept.
    let _ = fs::remove_dir_all(&dir);
    let mut plan = scenario::usual(seed, options.seconds);
    (scenario.plan)(&mut plan);
    let outcome = scenario::run(plan, scenario.faults, &dir)
        .map_err(|error| format!("{}, seed {seed}: {error}", scenario.name))?;
    let verdict = &outcome.verdict;
    eprintln!(
        "{} {}, seed {seed}: {} grants, {} faults, {} violations",
        scenario.number,
        scenario.name,
        verdict.grants,
        outcome.faults,
        verdict.violations.len()
    );
    row.add(&outcome);
    if verdict.violations.is_empty() {
        fs::remove_dir_all(&dir)?;
    } else {
        report::keep(&outcome, &dir)?;
    }
    Ok(outcome)
}

/// What is missing to prove anything.
fn too_few(scenario: &Scenario, grants: u64, faults: u64, seconds: u64) -> Option<String> {
    let figures = [("grants", grants, scenario.grants), ("faults", faults, LEAST_FAULTS)];
    figures.into_iter().find_map(|(what, number, of_20)| {
        let least = (of_20 * seconds / 20).max(1);
        (number < least).then(|| format!("{number} {what} of {least}"))
    })
}

/// Runs a control with a few seeds until it is caught.
fn is_caught(control: &Control, options: &Options) -> Fallible<bool> {
    let first = options.seeds.first().copied().unwrap_or(1);
    for seed in first..first + control::TRIES {
        let dir = options.keep.join(format!("control-{}-{seed}", control.name));
        let _ = fs::remove_dir_all(&dir);
        let outcome = control
            .run(seed, options.control_seconds, &dir)
            .map_err(|error| format!("{}, seed {seed}: {error}", control.name))?;
        let caught = control.caught(&outcome.verdict);
        eprintln!(
            "control {}, seed {seed}: {} grants, {} violations",
            control.name,
            outcome.verdict.grants,
            outcome.verdict.violations.len()
        );
        fs::remove_dir_all(&dir)?;
        if caught.is_some() {
            report::control(control.name, caught.as_ref());
            return Ok(true);
        }
    }
    report::control(control.name, None);
    Ok(false)
}
