//! Counts what one operation costs: instructions, allocations, wake-ups and system calls. They do not depend on the load of the
//! machine, unlike times.
//!
//! Each figure is the difference between a long run and a short one of the same worker, divided by the difference of their
//! rounds: what starting and connecting cost is in both.

mod tools;

use crate::Fallible;
use crate::contestants::{Contestant, Engine};
use dspinlock_testkit::Server;
use tools::Tool;

pub(crate) const PROFILE: &str = "--profile";

const HELP: &str = "\
Counts what one operation costs. Needs valgrind, strace and perf; a column whose tool is missing or refused stays empty.

usage: scripts/profile [--peers] [NAME]...

  --peers   the plain commands and other libraries, too
  NAME      only operations whose names begin with one of these
";

/// An operation, and the worker that repeats it.
struct Operation {
    name: &'static str,
    role: &'static str,
    blocking: bool,
    settings: &'static [&'static str],
    /// How many rounds the shorter run has. The longer one has five times as many.
    rounds: u32,
    peers: &'static [Engine],
}

const LONGER: u32 = 5;

const LOCKS: &[Engine] = &[Engine::Plain, Engine::Rslock];

const OPERATIONS: &[Operation] = &[
    operation("pair, blocking", "spin", &["callers=1"], 400, &[Engine::Plain]).by_thread(),
    operation("pair, async, current thread", "spin", &["callers=1", "current_thread=1"], 400, LOCKS),
    operation("pair, async, two threads", "spin", &["callers=1"], 400, LOCKS),
    operation("pair, 64 tasks", "spin", &["callers=64"], 1_280, LOCKS),
    operation("section, 32 tasks, one key", "spin", &["callers=32", "one_key=1"], 1_280, &[]),
    operation("hit in the server, 1 KB", "hit", &["bytes=1000"], 400, &[Engine::Plain, Engine::Cached]),
    operation("hit in the process, Arc<T>", "hit", &["local=1"], 2_000, &[Engine::Cached, Engine::Moka]),
    operation("hit in the process, T: Clone", "hit", &["local=2"], 2_000, &[Engine::Cached, Engine::Moka]),
    operation("hit in the process, any other T", "hit", &["local=3"], 2_000, &[]),
    operation("lock in memory, async", "hit", &["local=4"], 2_000, &[Engine::Plain]),
    operation("lock in memory, blocking", "hit", &["local=4"], 2_000, &[]).by_thread(),
];

const fn operation(
    name: &'static str,
    role: &'static str,
    settings: &'static [&'static str],
    rounds: u32,
    peers: &'static [Engine],
) -> Operation {
    Operation { name, role, blocking: false, settings, rounds, peers }
}

impl Operation {
    const fn by_thread(mut self) -> Self {
        self.blocking = true;
        self
    }

    fn contestant(&self, engine: Engine) -> Contestant {
        if self.blocking { Contestant::thread(engine) } else { Contestant::task(engine) }
    }

    /// What each tool counts for one round.
    fn count(&self, engine: Engine, server: &Server, tool: Tool) -> Fallible<Vec<f64>> {
        let mut command = vec![engine.name().to_owned(), self.role.to_owned(), server.url()];
        command.extend(self.contestant(engine).settings());
        command.extend(self.settings.iter().map(|&setting| setting.to_owned()));
        let [short, long] =
            [self.rounds, self.rounds * LONGER].map(|rounds| tool.counts(&command, &format!("x{rounds}")));
        let rounds = f64::from(self.rounds * (LONGER - 1));
        Ok(long?.into_iter().zip(short?).map(|(long, short)| (long - short) / rounds).collect())
    }
}

/// The mode of the profile: prints a table.
pub(crate) fn main(arguments: &[String]) -> Fallible<()> {
    if arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        print!("{HELP}");
        return Ok(());
    }
    let peers = arguments.iter().any(|argument| argument == "--peers");
    let names: Vec<&String> = arguments.iter().filter(|argument| *argument != "--peers").collect();
    if let Some(unknown) = names.iter().find(|name| !OPERATIONS.iter().any(|it| it.name.starts_with(**name)))
    {
        return Err(format!("no operation {unknown:?}\n{HELP}").into());
    }
    let columns: Vec<&str> = Tool::ALL.iter().flat_map(|tool| tool.columns()).copied().collect();
    println!("| operation | library | {} |", columns.join(" | "));
    println!("| --- | ---{} |", " | ---:".repeat(columns.len()));
    let wanted = |it: &&Operation| names.is_empty() || names.iter().any(|name| it.name.starts_with(*name));
    for operation in OPERATIONS.iter().filter(wanted) {
        let others = if peers { operation.peers } else { &[] };
        for engine in [&[Engine::Dspinlock], others].concat() {
            let server = Server::try_start()?;
            let cells: Vec<String> = Tool::ALL
                .iter()
                .flat_map(|&tool| match operation.count(engine, &server, tool) {
                    Ok(counts) => counts.into_iter().map(shown).collect(),
                    Err(error) => {
                        eprintln!("{}, {}: {error}", operation.name, engine.name());
                        vec![String::new(); tool.columns().len()]
                    }
                })
                .collect();
            println!("| {} | {} | {} |", operation.name, engine.name(), cells.join(" | "));
        }
    }
    Ok(())
}

/// A count; those of a few are seldom whole. The difference of two runs can be a little below zero.
fn shown(count: f64) -> String {
    if count.abs() >= 100.0 { format!("{count:.0}") } else { format!("{:.2}", count.max(0.0)) }
}
