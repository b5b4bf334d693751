//! P8 and P9: what is computed once, and which value a caller gets.

use std::collections::HashMap;

use super::{Case, Operation, Property, Violation};
use crate::clock::micros;
use crate::history::Call;
use crate::truth::{End, Turn};
use crate::worker::{CACHED_FROM, Cache};

/// How inexact the expiry of a result may be.
const SLACK: u64 = 10_000;

impl Case<'_> {
    pub(super) fn values(&mut self) {
        self.windows();
        self.verdict.without_result = self.without_result();
        let runs: HashMap<String, Operation> =
            self.operations.iter().map(|operation| (operation.op.clone(), operation.clone())).collect();
        for reader in self.operations.clone() {
            if let Some((at, run, fence, whole)) = &reader.value {
                self.value(&reader, *at, runs.get(run), *fence, *whole);
            }
        }
    }

    /// P8: while a result lives, no caller takes a turn to compute another one.
    fn windows(&mut self) {
        let mut wrong = Vec::new();
        for &key in self.truth.by_key.keys().filter(|key| **key >= CACHED_FROM) {
            let mut result: Option<(&Turn, u64, u64)> = None;
            // A mark leaves no result, and after hand-offs the server does not show which turn is a mark.
            let marked = Cache::of(key) == Some(Cache::Marked);
            for turn in self.truth.at(key).filter(|_| !marked) {
                if let Some((before, from, until)) = result
                    && turn.since > from
                    && !turn.is_ahead()
                    && turn.since + SLACK < until
                    && !self.lost(key, from, turn.since)
                {
                    let text = format!(
                        "{} took the turn {} us before the result of {} expired",
                        turn.op,
                        until - turn.since,
                        before.op
                    );
                    wrong.push(
                        Violation::new(Property::P8, turn.since, key, text).of(&[&before.op, &turn.op]),
                    );
                }
                if let Some((from, End::Computed { until })) = turn.end {
                    result = Some((turn, from, until));
                }
            }
        }
        self.verdict.violations.append(&mut wrong);
    }

    /// The exceptions of P8: turns after which another caller may compute.
    fn without_result(&self) -> u64 {
        let none = |operation: &&Operation| {
            let turn =
                operation.granted.and_then(|(at, fence)| self.truth.of_fence(operation.key, fence, at));
            turn.is_some_and(|turn| !matches!(turn.end, Some((_, End::Computed { .. }))))
        };
        let ran =
            self.operations.iter().filter(|operation| matches!(operation.call, Call::Cached | Call::Once));
        u64::try_from(ran.filter(none).count()).unwrap_or_default()
    }

    /// P9.
    fn value(&mut self, reader: &Operation, at: u64, run: Option<&Operation>, fence: u64, whole: bool) {
        let why = match run {
            _ if !whole => Some("that is not whole".to_owned()),
            None => Some("that no run computed".to_owned()),
            Some(run) if run.key != reader.key || run.fence() != fence => {
                Some(format!("that is not what {} computed", run.op))
            }
            Some(run) => self.stale(reader, run),
        };
        if let Some(why) = why {
            let text = format!("{} was given a value {why}", reader.op);
            let run = run.map_or("", |run| &run.op);
            self.wrong(Violation::new(Property::P9, at, reader.key, text).of(&[&reader.op, run]));
        }
    }

    fn stale(&self, reader: &Operation, run: &Operation) -> Option<String> {
        let turn = match run.granted? {
            (at, fence) if fence > 0 && Cache::of(run.key) != Some(Cache::Ahead) => {
                self.truth.of_fence(run.key, fence, at)?
            }
            _ => self.truth.at(run.key).rfind(|turn| turn.op == run.op)?,
        };
        // A value that was not stored is for the callers of the same flight only.
        if !matches!(turn.end, Some((_, End::Computed { .. }))) {
            let unseen =
                self.blind(run.invoked, reader.ended()) || self.lost(reader.key, run.invoked, reader.invoked);
            let other = reader.process != run.process && !unseen;
            return other.then(|| format!("that {} computed and did not store", run.op));
        }
        // A caller may join others that have read already, and a reply may be on its way for some time.
        let news = self.terms.patience + self.terms.grace;
        let newer = self.truth.at(reader.key).find(|other| {
            let stored = matches!(other.end, Some((at, End::Computed { .. })) if at + news < reader.invoked);
            stored && other.since > turn.over()
        });
        if let Some(newer) = newer {
            return Some(format!("of {}, which {} had followed", run.op, newer.op));
        }
        self.outlived(reader, run, turn)
    }

    /// A value that was deleted or has expired is not served to later callers.
    fn outlived(&self, reader: &Operation, run: &Operation, turn: &Turn) -> Option<String> {
        let Some((_, End::Computed { until })) = turn.end else { return None };
        let longer = Cache::of(reader.key).map_or(0, |cache| micros(cache.stale_for()));
        let late = |since: u64| since + self.news(reader, run.invoked) < reader.invoked;
        if turn.deleted.is_some_and(late) {
            return Some(format!("of {}, which had been deleted", run.op));
        }
        (!turn.prolonged && late(until + longer)).then(|| format!("of {}, which had expired", run.op))
    }
}
