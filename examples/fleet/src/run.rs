//! The parent: starts the fleet, and reports from the log what it did.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

use dspinlock_testkit::clock;

use crate::Failure;
use crate::args::{Args, Mode};
use crate::backend::Backend;

use crate::fleet::Fleet;
use crate::log;
use crate::outcome::Outcome;
use crate::summary::{self, Figures};
use crate::timeline;

/// Runs the fleet; the exit code is a failure if computations overlapped or a caller got no answer.
pub(crate) fn run(mut args: Args) -> Result<ExitCode, Failure> {
    let mut backend = Backend::choose(args.redis.as_deref())?;
    let all = args.processes * args.callers;
    // If processes can't share the store, one process has all callers.
    let (processes, callers) = if backend.is_shared() { (args.processes, args.callers) } else { (1, all) };
    args.run = format!("{}-{}", process::id(), clock::now().as_nanos());
    args.path = fs::canonicalize(&args.path).map_err(|error| format!("{}: {error}", args.path.display()))?;
    let dir = out_dir(args.out.as_deref(), &args.run)?;
    let mut out = io::stdout();
    writeln!(out, "{all} callers ask for one report at the same moment: the digest of every file below")?;
    writeln!(out, "{}. Without the lock, that is {all} computations.", args.path.display())?;
    writeln!(out, "They meet at {}.\n", backend.about)?;

    if args.kill_leader && !backend.is_shared() {
        return Err("--kill-leader needs a server: here all callers are in one process".into());
    }
    let mut fleet = Fleet::start(&args, processes, callers, &dir, &backend.url)?;
    let commands = backend.commands()?;
    let begun = clock::now();
    fleet.go()?;
    let ended = fleet.finish(all, args.kill_leader)?;
    let took = clock::now().saturating_sub(begun);
    let commands = backend.commands()?.saturating_sub(commands);
    let outcome = Outcome::of(&log::read(&dir)?);
    for number in &ended.failed {
        eprintln!("fleet: process {number} failed");
    }

    summary::table(&mut out, &outcome)?;
    if let Some(number) = ended.killed {
        writeln!(out, "Process {number} was killed while it computed, and its callers with it.")?;
    }
    if let (Mode::Cached, Some(delay)) = (args.mode, outcome.delay()) {
        let delay = delay.as_secs_f64() * 1e3;
        writeln!(out, "The last caller had the report {delay:.1} ms after it had been computed.")?;
    }
    if outcome.digests.len() > 1 {
        eprintln!("fleet: callers were given {} different reports", outcome.digests.len());
    }
    if report(&dir).exists() {
        writeln!(out, "\nThe report is {}", report(&dir).display())?;
    }
    writeln!(out, "What each caller did is {}", log::path(&dir).display())?;
    if let Some(file) = &args.svg {
        timeline::draw(&outcome, begun, args.mode, file)?;
        writeln!(out, "The timeline is {}", file.display())?;
    }
    hints(&mut out, &args)?;
    // Callers of a killed process get no answer. Some may not even have called.
    let lost = ended.killed.map_or(0, |number| callers.saturating_sub(outcome.answered_in(number)));
    let errors = all.saturating_sub(outcome.answers + lost);
    let figures = Figures { processes, callers: all, errors, commands, took, backend: backend.name() };
    writeln!(out, "{}", figures.line(&outcome))?;
    let sound = errors == 0 && outcome.overlaps == 0 && ended.failed.is_empty() && outcome.digests.len() == 1;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The file that the computed report is written to.
pub(crate) fn report(dir: &Path) -> PathBuf {
    dir.join("report.json")
}

/// Hints at other options of this example.
fn hints(out: &mut impl Write, args: &Args) -> io::Result<()> {
    if args.svg.is_none() {
        writeln!(out, "Try --svg FILE for a picture of who waited and who computed, and when.")?;
    }
    if args.mode == Mode::Cached {
        if !args.kill_leader {
            writeln!(
                out,
                "Try --kill-leader to see another caller take over from a process that is killed."
            )?;
        }
        writeln!(out, "Try --mode lock to let every caller compute, one after the other.")?;
    }
    Ok(())
}

fn out_dir(given: Option<&Path>, run: &str) -> Result<PathBuf, Failure> {
    let dir = given.map_or_else(|| env::temp_dir().join(format!("dspinlock-fleet-{run}")), Path::to_owned);
    fs::create_dir_all(&dir)?;
    // Results of an older run must not count for this one.
    for old in [log::path(&dir), report(&dir)] {
        if old.exists() {
            fs::remove_file(old)?;
        }
    }
    Ok(dir)
}
