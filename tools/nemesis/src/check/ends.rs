//! P4, P5 and P6: no lock remains after a release, a refusal, a cancellation or a death.

use super::{Case, Operation, Property, Violation};
use crate::history::{Call, Event, How, What};
use crate::truth::Turn;

/// How much the times of a server and of a process may differ.
const SLACK: u64 = 10_000;

impl Case<'_> {
    pub(super) fn ends(&mut self) {
        for operation in self.operations.clone() {
            match operation.granted {
                Some(_) => self.given_back(&operation),
                None => self.nothing_left(&operation),
            }
            self.dead(&operation);
        }
    }

    /// P4.
    fn given_back(&mut self, operation: &Operation) {
        let (Some((asked, how)), Some((granted, fence))) = (operation.released, operation.granted) else {
            return;
        };
        let Some(turn) = self.truth.of_fence(operation.key, fence, granted) else { return };
        if fence == 0 || turn.prolonged || self.handed_on(operation, turn) || operation.died.is_some() {
            return;
        }
        let confirmed = operation.confirmed.as_ref();
        let (by, why) = match (operation.call, how, confirmed) {
            (Call::Lock, How::Release | How::Abandon, Some((at, kind))) if kind == "ok" => {
                if self.blind(asked, *at) {
                    return;
                }
                (at + SLACK, "its confirmed release")
            }
            // The lock had been lost before.
            (_, _, Some((_, kind))) if kind == "lost" || kind == "not-owner" => return,
            _ if self.away(operation.process, operation.invoked, asked + self.terms.grace) => {
                (asked + self.terms.unreachable(), "its release, even if that did not arrive")
            }
            _ => (asked + self.terms.grace, "its release"),
        };
        if turn.over() > by && !self.lost(operation.key, operation.invoked, turn.over()) {
            let text = format!("{} still blocked the key {} us after {why}", operation.op, turn.over() - by);
            self.wrong(Violation::new(Property::P4, by, operation.key, text).of(&[&operation.op]));
        }
    }

    /// Whether the turn was handed on to another caller of the process.
    fn handed_on(&self, operation: &Operation, turn: &Turn) -> bool {
        self.operations.iter().any(|other| {
            // A caller of `get_or_compute` is not told its token.
            let token = other.fence();
            other.key == operation.key
                && other.process == operation.process
                && other.granted.is_some()
                && (token == 0 || (token > operation.fence() && token <= turn.top))
        })
    }

    /// P6.
    fn nothing_left(&mut self, operation: &Operation) {
        let Some((told, kind)) = &operation.refused else { return };
        let away = self.away(operation.process, operation.invoked, told + self.terms.grace);
        let by = told + if away { self.terms.unreachable() } else { self.terms.grace };
        // A grant may have been handed on to another caller of its process.
        let handed_on = |turn: &Turn| {
            let tokens = self.truth.tokens(turn);
            self.operations.iter().any(|other| {
                other.key == turn.key
                    && other.process == operation.process
                    && other.granted.is_some_and(|(_, fence)| fence == 0 || tokens.contains(&fence))
            })
        };
        let left = self
            .truth
            .at(operation.key)
            .find(|turn| turn.op == operation.op && turn.over() > by && !turn.prolonged && !handed_on(turn));
        if let Some(turn) = left {
            let text = format!(
                "{} was told {kind}, and had the record from {} until {} us after that",
                operation.op,
                turn.since.saturating_sub(*told),
                turn.over() - told
            );
            self.wrong(Violation::new(Property::P6, turn.since, operation.key, text).of(&[&operation.op]));
        }
    }

    /// P5: the locks of a dead process end within a lease.
    fn dead(&mut self, operation: &Operation) {
        let Some(died) = operation.died else { return };
        // A request on its way may still arrive, until the server refuses it as late.
        let by = died + self.terms.unreachable();
        let left = self
            .truth
            .at(operation.key)
            .find(|turn| turn.op == operation.op && turn.over() > by && !turn.prolonged);
        if let Some(turn) = left {
            let text =
                format!("{} blocks the key {} us after its process died", operation.op, turn.over() - died);
            self.wrong(Violation::new(Property::P5, died, operation.key, text).of(&[&operation.op]));
        }
    }

    /// In its last third a process uses no more resources than in its second.
    pub(super) fn gauges(&mut self) {
        let mut gauges: Vec<&Event> =
            self.evidence.events.iter().filter(|event| matches!(event.what, What::Gauge { .. })).collect();
        gauges.sort_by_key(|event| (event.process, event.at));
        let mut wrong = Vec::new();
        for of_one in gauges.chunk_by(|one, other| one.process == other.process) {
            let (third, last) = (of_one.len() / 3, of_one.len() - of_one.len() / 3);
            if third < 4 {
                continue;
            }
            let figures = |events: &[&Event], median: Figure| {
                let mut of: Vec<u64> = events.iter().filter_map(|event| figures(event)).map(median).collect();
                of.sort_unstable();
                of[of.len() / 2]
            };
            let named: [(&str, Figure, u64); 3] = [
                ("threads", |figures| figures.0, 8),
                ("files", |figures| figures.1, 16),
                ("kB of memory", |figures| figures.2, 40_000),
            ];
            for (name, figure, more) in named {
                let (before, after) =
                    (figures(&of_one[third..last], figure), figures(&of_one[last..], figure));
                if after > before + before / 4 + more {
                    let at = of_one.last().map_or(0, |event| event.at);
                    let text = format!("process {} went from {before} to {after} {name}", of_one[0].process);
                    wrong.push(Violation::new(Property::Flat, at, 0, text));
                }
            }
        }
        self.verdict.violations.append(&mut wrong);
    }
}

type Figures = (u64, u64, u64);
/// One of them.
type Figure = fn(Figures) -> u64;

fn figures(event: &Event) -> Option<Figures> {
    let What::Gauge { threads, files, memory_kb } = event.what else { return None };
    Some((threads, files, memory_kb))
}
