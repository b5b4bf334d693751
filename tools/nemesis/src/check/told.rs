//! The errors that callers get are true.

use std::collections::HashMap;

use super::{Case, Operation, Property, Violation};
use crate::clock::micros;
use crate::history::How;
use crate::worker::Cache;

impl Case<'_> {
    pub(super) fn told(&mut self) {
        let operations = std::mem::take(&mut self.operations);
        let runs: HashMap<&str, &Operation> =
            operations.iter().map(|operation| (&*operation.op, operation)).collect();
        for operation in &operations {
            let at = operation.over.unwrap_or_default();
            if let Some(why) = self.is_wrong(operation, &runs) {
                let text = format!("{} {why}", operation.op);
                self.wrong(Violation::new(Property::Typed, at, operation.key, text).of(&[&operation.op]));
            }
            self.note(operation, &runs);
        }
        self.operations = operations;
    }

    fn is_wrong(&self, operation: &Operation, runs: &HashMap<&str, &Operation>) -> Option<String> {
        if operation.confirmed.as_ref().is_some_and(|(_, kind)| kind == "still-held") {
            return Some("holds the lock that it has given back".to_owned());
        }
        let (at, kind) = operation.refused.as_ref()?;
        let failed = |run: &&Operation| {
            run.key == operation.key && matches!(run.released, Some((over, How::Fail)) if over <= *at)
        };
        let run = operation.failed_run.as_deref().and_then(|run| runs.get(run).copied()).filter(failed);
        match kind.as_str() {
            "contended" => (at - operation.invoked < operation.budget)
                .then(|| format!("gave up after {} us of {}", at - operation.invoked, operation.budget)),
            "own" => run
                .is_none_or(|run| run.op != operation.op)
                .then(|| "got an error as its own that is none of its body".to_owned()),
            "leader-failed" => {
                let Some(run) = run else {
                    return Some("was told of a failure that there was not".to_owned());
                };
                let longer = Cache::of(operation.key).map_or(0, |cache| micros(cache.failed_for()));
                let until = run.ended().saturating_add(longer + self.news(operation, run.invoked));
                (operation.invoked > until)
                    .then(|| format!("was told of the failure of {}, which was over", run.op))
            }
            "dropped" => None,
            // The wires and servers of these keys have no faults.
            _ => (Cache::of(operation.key).is_some()
                && !self.away(operation.process, operation.invoked, *at))
            .then(|| format!("got an error of kind {kind} without a reason")),
        }
    }

    /// Notes the outcome, so that a run in which little happened is noticed.
    fn note(&mut self, operation: &Operation, runs: &HashMap<&str, &Operation>) {
        let outcomes = &mut self.verdict.outcomes;
        outcomes.extend(operation.refused.as_ref().map(|(_, kind)| kind.clone()));
        outcomes.extend(operation.confirmed.as_ref().map(|(_, kind)| kind.clone()));
        if let Some((_, run, ..)) = &operation.value {
            let foreign = runs.get(&**run).is_some_and(|run| run.process != operation.process);
            outcomes.insert(if foreign { "value-of-another-process" } else { "value" }.to_owned());
        }
        if operation.died.is_some() && operation.granted.is_some() && operation.released.is_none() {
            outcomes.insert("died".to_owned());
        }
        if operation.call == crate::history::Call::Forget && operation.refused.is_none() {
            outcomes.insert("forgot".to_owned());
        }
    }

    /// How late a caller may learn of what others did: it may join callers that have read already, and a reply may be on its
    /// way while its process is out of reach.
    pub(super) fn news(&self, reader: &Operation, from: u64) -> u64 {
        let away = self.away(reader.process, from, reader.ended());
        self.terms.grace + if away { self.terms.unreachable() } else { 0 }
    }
}
