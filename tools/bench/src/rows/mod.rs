//! The rows of the table: measurements and contestants.

mod contended;
mod results;
mod uncontended;
mod waiting;

use crate::Fallible;
use crate::measure::{Measured, Standing};
use crate::options::Options;
use crate::place::Place;

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    unit: &'static str,
    /// Whether it measures the cost of the software, for `--pin`.
    software: bool,
    measure: fn(&Options, &Place) -> Vec<Standing>,
}

pub(crate) const ALL: &[Row] = &[
    Row {
        name: "uncontended_blocking",
        what: "acquire and release, one thread, nobody else there",
        unit: "us",
        software: true,
        measure: uncontended::blocking,
    },
    Row {
        name: "uncontended_async",
        what: "acquire and release, one task, nobody else there",
        unit: "us",
        software: true,
        measure: uncontended::in_task,
    },
    Row {
        name: "parallel_64",
        what: "64 callers, each on its own key",
        unit: "ops/s",
        software: true,
        measure: uncontended::parallel,
    },
    Row {
        name: "contended_32",
        what: "32 callers in one process, one key",
        unit: "sections/s",
        software: false,
        measure: contended::in_one_process,
    },
    Row {
        name: "contended_4x8",
        what: "4 processes with 8 callers each, one key",
        unit: "sections/s",
        software: false,
        measure: contended::between_processes,
    },
    Row {
        name: "fair_8",
        what: "8 processes with one caller each, one key: the least served against its fair share",
        unit: "share",
        software: false,
        measure: contended::fairness,
    },
    Row {
        name: "handover",
        what: "from a release to the next process's acquisition, after 200 ms of holding",
        unit: "us",
        software: false,
        measure: waiting::handover,
    },
    Row {
        name: "idle_100",
        what: "commands while 100 callers of one process wait",
        unit: "commands/s",
        software: false,
        measure: waiting::idle,
    },
    Row {
        name: "renewal_waiters",
        what: "commands of each of 10 waiting processes for each renewal by the holder",
        unit: "commands",
        software: false,
        measure: waiting::renewals,
    },
    Row {
        name: "dedupe_4x50",
        what: "4 processes with 50 callers each, one result of 500 ms: until the last one has it",
        unit: "ms",
        software: false,
        measure: results::dedupe,
    },
    Row {
        name: "dedupe_10000",
        what: "10,000 callers in one process, one result of 500 ms: until the last one has it",
        unit: "ms",
        software: false,
        measure: results::dedupe_in_one,
    },
    Row {
        name: "hit_remote",
        what: "a result that is in the server",
        unit: "us",
        software: true,
        measure: results::hit_remote,
    },
    Row {
        name: "hit_1kb",
        what: "a result of 1 KB that is in the server",
        unit: "us",
        software: true,
        measure: results::hit_1kb,
    },
    Row {
        name: "hit_1mb",
        what: "a result of 1 MB that is in the server",
        unit: "us",
        software: true,
        measure: results::hit_1mb,
    },
    Row {
        name: "hit_32mb",
        what: "a result of 32 MB that is in the server",
        unit: "ms",
        software: true,
        measure: results::hit_32mb,
    },
    Row {
        name: "hit_local",
        what: "a result that is in the process",
        unit: "ns",
        software: true,
        measure: results::hit_local,
    },
    Row {
        name: "hit_lag",
        what: "from another process's `forget` until the copy in this one is served no longer, 99 of 100 times",
        unit: "us",
        software: false,
        measure: results::lag,
    },
    Row {
        name: "crash_takeover",
        what: "from an acquisition to the next, the holder having been killed: the lease, and what comes on top",
        unit: "ms",
        software: false,
        measure: waiting::crash,
    },
];

/// A number of commands, as a figure.
#[expect(clippy::cast_precision_loss, reason = "a sample has far fewer than 2^53 commands")]
fn count(commands: u64) -> f64 {
    commands as f64
}

/// Measures a row on a server of its own.
pub(crate) fn run(row: &Row, options: &Options) -> Fallible<Measured> {
    let place = Place::new(options, row.software)?;
    let standings = (row.measure)(options, &place);
    Ok(Measured { row: row.name, what: row.what, unit: row.unit, standings })
}
