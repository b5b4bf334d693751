//! What must be true of every history. The properties are those of the catalogue of failures:
//!
//! | property | |
//! | --- | --- |
//! | P1 | no two hold one key: from the grant to the release, or to the deadline that the holder knows of |
//! | P2 | fencing tokens are given once and rise; the register accepts no lower one |
//! | P3 | no process changes the record of another turn |
//! | P4 | after a confirmed release the key is free at once, after an ambiguous one within the lease |
//! | P5 | a free key goes to a waiter, after a crash too |
//! | P6 | a caller that was refused, or got no answer, has nothing; what a caller was granted, the server had granted |
//! | P7 | a holder knows by its deadline that its lock is lost |
//! | P8 | during the life of a result nothing is computed again |
//! | P9 | a caller gets a whole value, the latest one, and none that has expired or was forgotten |
//! | Typed | errors have kinds that the faults explain, are true, and come in time |
//! | Flat | threads, files and memory do not rise |

mod ends;
mod fences;
mod holds;
mod operations;
mod told;
mod values;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::clock::{micros, ms};
use crate::faults::{Entry, Fault, Loss};
use crate::history::{Call, Event, Op};
use crate::truth::{Fact, Truth};
use crate::worker::{LEASE, SLEEP, TIMEOUT};
pub(crate) use operations::{Operation, operations};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Property {
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    P8,
    P9,
    Typed,
    Flat,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Violation {
    pub(crate) property: Property,
    pub(crate) at: u64,
    pub(crate) key: u64,
    /// The operations that have to do with it.
    pub(crate) ops: Vec<Op>,
    pub(crate) text: String,
}

impl Violation {
    pub(crate) fn new(property: Property, at: u64, key: u64, text: impl Into<String>) -> Self {
        Self { property, at, key, ops: Vec::new(), text: text.into() }
    }

    pub(crate) fn of(mut self, ops: &[&str]) -> Self {
        self.ops.extend(ops.iter().map(|&op| op.to_owned()));
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} on key {}: {}", self.property, self.at, self.key, self.text)
    }
}

/// A write that the register accepted: the token, and the operation that wrote with it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
pub(crate) struct Accepted {
    pub(crate) key: u64,
    pub(crate) fence: u64,
    pub(crate) op: Op,
}

/// All evidence of a run.
#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) events: Vec<Event>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) accepted: Vec<Accepted>,
}

/// The times that the protocol guarantees, and how late this machine may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) lease: u64,
    pub(crate) sleep: u64,
    /// After what time the server refuses a request as late.
    pub(crate) patience: u64,
    /// How late an immediate action may be on a busy machine.
    pub(crate) grace: u64,
}

/// How long a busy machine keeps a thread waiting before the watchdog logs a stall, plus a few round trips.
const GRACE: u64 = 600_000;

impl Terms {
    fn new() -> Self {
        Self {
            lease: micros(LEASE),
            sleep: micros(SLEEP),
            // The library's own: one try and one repeat, each with a new connection, and its margin.
            patience: micros(TIMEOUT) * 4 + micros(ms(50)),
            grace: GRACE,
        }
    }

    /// After this time the record of an unreachable process is gone.
    pub(crate) fn unreachable(&self) -> u64 {
        self.patience + self.lease + self.grace
    }
}

/// The findings of the checker.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    pub(crate) grants: u64,
    /// The kinds of outcomes that occurred.
    pub(crate) outcomes: BTreeSet<String>,
    /// Two holders at once after a server had lost keys: expected, and the reason for fencing.
    pub(crate) double_grants: u64,
    /// Writes that the register refused.
    pub(crate) refused_writes: u64,
    /// Bodies that ran and left no result, because of a crash, a failure or a loss.
    pub(crate) without_result: u64,
}

/// The evidence in the form that the checks need.
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) operations: Vec<Operation>,
    pub(crate) truth: Truth,
    /// The faults, and the keys that callers forgot.
    pub(crate) faults: Vec<Fault>,
    pub(crate) terms: Terms,
    pub(crate) verdict: Verdict,
}

/// Checks a run, without its servers.
pub(crate) fn check(evidence: &Evidence) -> Verdict {
    let mut case = Case::new(evidence);
    case.holds();
    case.fences();
    case.ends();
    case.idleness();
    case.values();
    case.kinds();
    case.told();
    case.gauges();
    case.touched();
    let mut verdict = case.verdict;
    verdict.violations.sort_by_key(|violation| violation.at);
    verdict
}

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let fault = |entry: &Entry| if let Entry::Fault(fault) = entry { Some(fault.clone()) } else { None };
        let operations = operations(&evidence.events, &evidence.entries);
        let forgets = operations.iter().filter(|operation| operation.call == Call::Forget);
        let forgets = forgets.map(|forget| Fault {
            name: "forget".to_owned(),
            from: forget.invoked,
            to: forget.ended(),
            slot: None,
            loses: Loss::Key(forget.key),
            away: false,
        });
        Self {
            evidence,
            truth: Truth::of(evidence.facts.clone()),
            faults: evidence.entries.iter().filter_map(fault).chain(forgets).collect(),
            operations,
            terms: Terms::new(),
            verdict: Verdict::default(),
        }
    }

    /// P3.
    fn touched(&mut self) {
        for (since, taken) in std::mem::take(&mut self.truth.taken) {
            if !self.lost(taken.key, since, taken.at) {
                self.wrong(taken);
            }
        }
        self.verdict.violations.append(&mut self.truth.wrong);
    }

    fn wrong(&mut self, violation: Violation) {
        self.verdict.violations.push(violation);
    }

    /// Whether a server may have forgotten the key in that time.
    fn lost(&self, key: u64, from: u64, to: u64) -> bool {
        let lost = |fault: &&Fault| fault.loses != Loss::Nothing && fault.loses(key);
        self.faults.iter().filter(lost).any(|fault| fault.from <= to && fault.to >= from)
    }

    /// Whether the process may have been out of reach in that time.
    fn away(&self, process: u32, from: u64, to: u64) -> bool {
        self.gaps(process).any(|(start, end)| start <= to && end >= from)
    }

    /// Whether the server was not monitored at some moment of that time.
    fn blind(&self, from: u64, to: u64) -> bool {
        self.evidence.entries.iter().any(|entry| match entry {
            Entry::Blind { from: start, to: end } => *start <= to && *end >= from,
            _ => false,
        })
    }

    /// The times in which a process may have been out of reach, or the machine stalled.
    fn gaps(&self, process: u32) -> impl Iterator<Item = (u64, u64)> {
        let faults = self.faults.iter().filter(move |fault| fault.away && fault.concerns(process));
        let stall =
            |entry: &Entry| if let Entry::Stall { from, to } = entry { Some((*from, *to)) } else { None };
        faults.map(|fault| (fault.from, fault.to)).chain(self.evidence.entries.iter().filter_map(stall))
    }

    /// How much of that time it may have been out of reach or recovering.
    fn time_away(&self, process: u32, from: u64, to: u64) -> u64 {
        let (mut sum, mut done) = (0, from);
        for (start, end) in self.times_away(process) {
            let (start, end) = (start.max(done), end.min(to));
            if end > start {
                sum += end - start;
                done = end;
            }
        }
        sum
    }

    /// The times in which it may have been out of reach or recovering, in their order.
    fn times_away(&self, process: u32) -> Vec<(u64, u64)> {
        let back = self.terms.unreachable();
        let mut times: Vec<_> = self.gaps(process).map(|(from, to)| (from, to + back)).collect();
        times.sort_unstable();
        times
    }
}

#[cfg(test)]
mod tests;
