//! The rows of the table: measurements and contestants.

mod contended;
mod holding;
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
    /// Whether it is about the cost of the software, which is measured on one core, too.
    pub(crate) software: bool,
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
        what: "acquire and release, one task of a runtime with two threads, nobody else there",
        unit: "us",
        software: true,
        measure: uncontended::in_task,
    },
    Row {
        name: "uncontended_current",
        what: "acquire and release, one task of a runtime on the current thread, nobody else there",
        unit: "us",
        software: true,
        measure: uncontended::in_current_thread,
    },
    Row {
        name: "parallel_64",
        what: "64 tasks, each on its own key",
        unit: "ops/s",
        software: true,
        measure: uncontended::parallel_tasks,
    },
    Row {
        name: "parallel_64_threads",
        what: "64 threads, each on its own key",
        unit: "ops/s",
        software: true,
        measure: uncontended::parallel_threads,
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
        name: "crash_takeover",
        what: "from an acquisition to the next, the holder having been killed: the lease, and what comes on top",
        unit: "ms",
        software: false,
        measure: waiting::crash,
    },
    Row {
        name: "held_100000",
        what: "memory of each of 100,000 locks that one process holds",
        unit: "bytes",
        software: false,
        measure: holding::many,
    },
    Row {
        name: "clients_1000",
        what: "memory of the server for each of 1,000 processes that hold a lock, connections included",
        unit: "bytes",
        software: false,
        measure: holding::many_clients,
    },
    Row {
        name: "lock_beside_hits",
        what: "the slowest of one caller's locks while 64 callers of its process read values of 4 MB",
        unit: "ms",
        software: false,
        measure: holding::beside_hits,
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
        what: "10,000 callers in one process, one result: from the end of the computation until the last one has it",
        unit: "ms",
        software: false,
        measure: results::dedupe_in_one,
    },
    Row {
        name: "hit_remote",
        what: "a result of 1 KB that is in the server",
        unit: "us",
        software: true,
        measure: results::hit_remote,
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
        name: "hit_local_arc",
        what: "a result that is in the process, an Arc<T>",
        unit: "ns",
        software: true,
        measure: results::local_arc,
    },
    Row {
        name: "hit_local_clone",
        what: "a result that is in the process, a T: Clone of 1 KB",
        unit: "ns",
        software: true,
        measure: results::local_clone,
    },
    Row {
        name: "hit_local_decoded",
        what: "a result that is in the process, a T of 1 KB that can't be cloned",
        unit: "ns",
        software: true,
        measure: results::local_decoded,
    },
    Row {
        name: "hit_lag",
        what: "from another process's `forget` until the copy in this one is served no longer, 99 of 100 times",
        unit: "us",
        software: false,
        measure: results::lag,
    },
    Row {
        name: "annotated_memory",
        what: "a call that takes a lock of the store in memory",
        unit: "ns",
        software: true,
        measure: results::annotated,
    },
];

/// Measures a row on a server of its own, in each of the places that it has.
pub(crate) fn run(row: &Row, options: &Options) -> Fallible<Vec<Measured>> {
    let places = if row.software { options.pinned() } else { &[false] };
    let measure = |&pinned: &bool| {
        let standings = (row.measure)(options, &Place::new(options, pinned)?);
        Ok(Measured { row: row.name, what: row.what, unit: row.unit, pinned, standings })
    };
    places.iter().map(measure).collect()
}
