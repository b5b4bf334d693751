//! The command line, of the parent and of the workers that it starts from the same binary.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
A fleet of processes asks for one report at the same moment; the lock lets one caller compute it.

Usage: cargo run --release --example fleet -- [options]

  --processes N    worker processes (4)
  --callers N      callers in each process, half of them async and half blocking (50)
  --path DIR       the tree whose files are digested; directories marked as caches by a CACHEDIR.TAG, as `target` is,
                   are left out (the workspace)
  --mode MODE      cached: one caller computes the report and all others get it (the default);
                   lock: everybody computes it, one after the other
  --kill-leader    kill the process that computes, in the middle of it: another caller computes after the lease
  --redis URL      the server to use. Otherwise DSPINLOCK_URL; otherwise a private redis-server or valkey-server from
                   the PATH; otherwise the memory store, in one process
  --svg FILE       draw what each caller did, and when
  --out DIR        where the report and the log of the computations go (a new directory for temporary files)
  --help           this text

The last line of the output is a JSON object with the figures. The exit code is 1 if two computations overlapped, a
caller got an error, or two callers got different reports.
";

/// What this process is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Help,
    Parent,
    /// The worker process with this number, counted from 0.
    Worker(usize),
}

/// How the annotated function treats callers who come when the report has been computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Cached,
    Lock,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cached => "cached",
            Self::Lock => "lock",
        })
    }
}

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) processes: usize,
    /// In each process.
    pub(crate) callers: usize,
    pub(crate) path: PathBuf,
    pub(crate) mode: Mode,
    pub(crate) kill_leader: bool,
    pub(crate) redis: Option<String>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    /// Tells the keys of this run from those of an earlier one on the same server.
    pub(crate) run: String,
}

impl Args {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut args = Self {
            role: Role::Parent,
            processes: 4,
            callers: 50,
            path: workspace(),
            mode: Mode::Cached,
            kill_leader: false,
            redis: None,
            svg: None,
            out: None,
            run: String::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("processes") => args.processes = parser.value()?.parse_with(at_least_one)?,
                Long("callers") => args.callers = parser.value()?.parse_with(at_least_one)?,
                Long("path") => args.path = parser.value()?.into(),
                Long("mode") => args.mode = parser.value()?.parse_with(mode)?,
                Long("kill-leader") => args.kill_leader = true,
                Long("redis") => args.redis = Some(parser.value()?.string()?),
                Long("svg") => args.svg = Some(parser.value()?.into()),
                Long("out") => args.out = Some(parser.value()?.into()),
                // The parent adds these when it starts this binary again.
                Long("worker") => args.role = Role::Worker(parser.value()?.parse()?),
                Long("run") => args.run = parser.value()?.string()?,
                Short('h') | Long("help") => args.role = Role::Help,
                other => return Err(other.unexpected()),
            }
        }
        if args.kill_leader && (args.mode == Mode::Lock || args.processes < 2) {
            return Err("--kill-leader goes with `--mode cached`, and needs two processes".into());
        }
        Ok(args)
    }

    /// The arguments of worker `number`, which writes below `out`. The server's URL may hold a password, and arguments
    /// can be read by every user of the machine: it goes into the environment.
    pub(crate) fn of_worker(&self, number: usize, callers: usize, out: &Path) -> Vec<OsString> {
        let mut args = vec![
            "--worker".into(),
            number.to_string().into(),
            "--callers".into(),
            callers.to_string().into(),
            "--mode".into(),
            self.mode.to_string().into(),
            "--path".into(),
            self.path.clone().into(),
            "--out".into(),
            out.into(),
            "--run".into(),
            self.run.clone().into(),
        ];
        args.extend(self.kill_leader.then(|| "--kill-leader".into()));
        args
    }
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|&number| number > 0).ok_or("not a number above zero")
}

fn mode(text: &str) -> Result<Mode, &'static str> {
    match text {
        "cached" => Ok(Mode::Cached),
        "lock" => Ok(Mode::Lock),
        _ => Err("the modes are `cached` and `lock`"),
    }
}

/// The workspace that this example was built from, or else the current directory.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.filter(|root| root.is_dir()).unwrap_or(Path::new(".")).to_owned()
}
