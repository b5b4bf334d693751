//! What may be written on the command line.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::time::Duration;

/// Looks at the locks of dspinlock: who holds one, who waits for it, and what would free it. Runs a program under a lock.
#[derive(Debug, Parser)]
#[command(name = "dspinlock", version, max_term_width = 110, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
The server is that of --url, of DSPINLOCK_URL and the other variables of the library, or redis://127.0.0.1:6379/0. \
A password belongs in DSPINLOCK_PASSWORD, since arguments are visible to everybody on the machine.

Exit codes: 0 done; 1 no such lock, or not done; 2 wrong arguments; 65 not a lock's key; 69 the server is out of reach or \
refuses; 74 the lock was lost; 75 somebody else holds it; 78 wrong configuration. `run` ends with the code of its command.";

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The server: redis://, rediss://, redis-sentinel://, redis-cluster://, redis+unix://.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The first part of all keys, as `Client::with_prefix` sets it.
    #[arg(long, global = true, value_name = "PREFIX", default_value = "dspinlock")]
    pub(crate) prefix: String,
    /// Writes JSON. `dspinlock schema` describes it.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colours: only on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists locks: held and computed, holder, since when, life left, processes that wait.
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Shows all that is known of one lock.
    Show(Target),
    /// Says why a lock is not free: who waits for whom, since when, and what would free it.
    Why(Why),
    /// Shows locks live, with sorting, a filter, and the history of each.
    Watch(Watch),
    /// Removes what is remembered as done: the record and its value. The next caller computes.
    Forget(Removal),
    /// Takes a lock from its holder. Asks first, and says who loses.
    Break(Removal),
    /// Runs a program while a lock is held, and ends as the program ends.
    Run(Run),
    /// Prints the name of the record of a value.
    Key(Key),
    /// Checks the server: connection, rights, eviction, persistence, wake-ups, clock, latency. Says what to change.
    Doctor(Doctor),
    /// Prints the JSON schema of what a command writes with --json.
    Schema {
        /// One command alone.
        command: Option<String>,
    },
    /// Prints completions for a shell.
    Completions { shell: clap_complete::Shell },
    /// Prints the manual page, in roff.
    Man,
}

/// Which locks.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Only locks of this namespace.
    #[arg(long, value_name = "NAME", conflicts_with = "pattern")]
    pub(crate) namespace: Option<String>,
    /// Only keys that match this pattern of Redis, for a scheme with names of its own.
    #[arg(long = "match", value_name = "GLOB")]
    pub(crate) pattern: Option<String>,
    /// The most locks.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// The most keys to go through, of all keys of the database.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) scan_limit: u64,
}

#[derive(Args, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only held locks, or only what is computed.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<Shown>,
    /// Only locks that somebody waits for.
    #[arg(long)]
    pub(crate) waited: bool,
    #[arg(long, value_name = "COLUMN", default_value = "state")]
    pub(crate) sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    Held,
    Computed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Held locks first, those with most waiters on top.
    State,
    Key,
    Holder,
    /// The oldest first.
    Since,
    /// What ends soonest first.
    Life,
    /// Most waiters first.
    Waiting,
}

/// One lock: the name of its record, or the value that it is keyed by.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The name of the record, as `ls` shows it.
    #[arg(required_unless_present = "value", conflicts_with_all = ["value", "namespace"])]
    pub(crate) key: Option<String>,
    /// The value by which the lock is keyed, in place of KEY.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    #[command(flatten)]
    pub(crate) of: Keyed,
}

/// How a value becomes a key.
#[derive(Args, Clone, Debug)]
pub(crate) struct Keyed {
    /// The namespace. A lock without one is shared with Python.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// What the value is. Several of `text,int` make a tuple of VALUE's parts.
    #[arg(long = "type", value_name = "TYPE", default_value = "text", value_delimiter = ',')]
    pub(crate) kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `str`, `String`, `char`.
    Text,
    /// An integer of any type.
    Int,
    /// Bytes, written in hex.
    Bytes,
    /// `true` or `false`.
    Bool,
    /// A `Uuid`.
    Uuid,
    /// An IP address.
    Ip,
}

#[derive(Args, Debug)]
pub(crate) struct Why {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Looks again after this time, to see whether the holder renews its lease.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) observe: Option<Duration>,
    /// Does not look through other locks for what the holder waits for.
    #[arg(long)]
    pub(crate) no_scan: bool,
    /// The most keys to go through for that.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    pub(crate) scan_limit: u64,
}

#[derive(Args, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The time between two looks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) every: Duration,
    #[arg(long, value_name = "COLUMN", default_value = "state")]
    pub(crate) sort: Sort,
    /// Shows only locks whose key or holder has this text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) filter: String,
}

#[derive(Args, Debug)]
pub(crate) struct Removal {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Does not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Key {
    #[command(flatten)]
    pub(crate) of: Keyed,
    /// The value; of several types, one for each.
    #[arg(required = true, allow_negative_numbers = true)]
    pub(crate) values: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Writes nothing: leaves out the trial of a lock and of wake-ups.
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLost {
    /// Ends the command, and exits with 74.
    Kill,
    /// Says so, and lets it go on.
    Continue,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// What the lock is keyed by.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// The namespace; `--namespace ''` shares the lock with Python, and holds it for 30 minutes at most.
    #[arg(long, value_name = "NAME", default_value = "run")]
    pub(crate) namespace: String,
    /// What the value is.
    #[arg(long = "type", value_name = "TYPE", default_value = "text")]
    pub(crate) kind: Kind,
    /// How long to wait for the lock; without this, for as long as it takes.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "skip")]
    pub(crate) wait: Option<Duration>,
    /// Does not wait: where somebody holds the lock, nothing runs, and that is no failure.
    #[arg(long)]
    pub(crate) skip: bool,
    /// Runs once in this time, counted from the start of a run that succeeded. Later calls run nothing, and that is no failure.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) once_per: Option<Duration>,
    /// What to do when the lock is lost.
    #[arg(long, value_name = "WHAT", default_value = "kill")]
    pub(crate) on_lost: OnLost,
    /// How long the command has between SIGTERM and SIGKILL when the lock is lost.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
    /// How long a crash of this process or its machine blocks others. The lease is renewed meanwhile.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) lease: Duration,
    /// The longest that the lock is held. After that it is lost.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) max_hold: Option<Duration>,
    /// Says nothing about a command that did not run because of --skip or --once-per.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND", action = ArgAction::Append)]
    pub(crate) command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_lock_is_named_by_its_key_or_by_its_value() {
        let parses = |words: &str| Cli::try_parse_from(words.split(' ')).is_ok();
        assert!(parses("dspinlock show dspinlock,7"));
        assert!(parses("dspinlock show --value 7 --type int --namespace billing"));
        assert!(!parses("dspinlock show") && !parses("dspinlock show k --value 7"));
        assert!(parses("dspinlock run --key nightly -- sh -c true"));
        assert!(
            !parses("dspinlock run --key nightly") && !parses("dspinlock run --key k --skip --wait 1s -- a")
        );
        assert!(parses("dspinlock key --type int -- -1") && parses("dspinlock key --type int -1"));
    }
}
