//! P1 and P7: who holds a lock, and until when it may believe so.

use super::{Case, Operation, Property, Violation};
use crate::history::Call;
use crate::truth::End;
use crate::worker::Cache;

/// How much the times of a server and of a process may differ.
const SLACK: u64 = 10_000;

impl Case<'_> {
    pub(super) fn holds(&mut self) {
        let operations = std::mem::take(&mut self.operations);
        let mut held: Vec<_> = operations.iter().filter(|operation| operation.granted.is_some()).collect();
        held.sort_by_key(|operation| (operation.key, operation.granted));
        self.verdict.grants = u64::try_from(held.len()).unwrap_or_default();
        self.verdict.refused_writes = operations.iter().map(|operation| operation.refused_writes).sum();
        for same_key in held.chunk_by(|one, other| one.key == other.key) {
            self.overlaps(same_key);
        }
        for operation in held {
            self.backed(operation);
            self.claims(operation);
        }
        self.operations = operations;
    }

    /// P1.
    fn overlaps(&mut self, held: &[&Operation]) {
        // A value may expire while one caller computes it ahead.
        let most = 1 + usize::from(held.iter().any(|one| Cache::of(one.key) == Some(Cache::Ahead)));
        let mut holding: Vec<&Operation> = Vec::new();
        for &next in held {
            let (from, to) = next.held().unwrap_or_default();
            holding.retain(|other| other.held().is_some_and(|(_, until)| until > from));
            if to <= from {
                continue;
            }
            for other in holding.iter().filter(|_| holding.len() >= most) {
                if self.lost(next.key, other.invoked, from) {
                    self.verdict.double_grants += 1;
                    continue;
                }
                let (_, until) = other.held().unwrap_or_default();
                let text = format!(
                    "{} was granted {} while {} held {} for {} us more",
                    next.op,
                    next.fence(),
                    other.op,
                    other.fence(),
                    until - from
                );
                self.wrong(Violation::new(Property::P1, from, next.key, text).of(&[&other.op, &next.op]));
            }
            holding.push(next);
        }
    }

    /// P6: the server has given the granted token to this very process.
    fn backed(&mut self, operation: &Operation) {
        let Some((at, fence)) = operation.granted else { return };
        // A caller that computes ahead has no record of its own, and one of `get_or_compute` is not told its token.
        if fence == 0 || Cache::of(operation.key) == Some(Cache::Ahead) {
            return;
        }
        // Nothing is known of a server that is not monitored.
        if self.truth.attached == 0 || self.blind(operation.invoked, at) {
            return;
        }
        let turn = self.truth.of_fence(operation.key, fence, at);
        // A repeat finds its record, and no fence if the server has lost it in between. Then only the reply shows its token. P2
        // checks that this one rises, too.
        let repeated = self.lost(operation.key, operation.invoked, at)
            && self.truth.at(operation.key).any(|turn| turn.op == operation.op && turn.since <= at + SLACK);
        if !repeated && turn.is_none_or(|turn| turn.process() != Some(operation.process)) {
            let text = format!("{} was granted {fence}, which the server has not given to it", operation.op);
            self.wrong(Violation::new(Property::P6, at, operation.key, text).of(&[&operation.op]));
        }
    }

    /// P7: whenever a holder was told that it holds, its record existed, or could have by its last renewal.
    fn claims(&mut self, operation: &Operation) {
        let (at, fence) = operation.granted.unwrap_or_default();
        for &(since, deadline) in &operation.claims {
            let mut why = (since >= deadline).then(|| format!("{} us after its deadline", since - deadline));
            if let Some(turn) = self.truth.of_fence(operation.key, fence, at) {
                let until = turn.until(since);
                if since > until + SLACK {
                    why.get_or_insert(format!(
                        "{} us after the end of the life that it was given",
                        since - until
                    ));
                }
                if let Some((ended, End::Removed | End::Computed { .. })) = turn.end
                    && since > ended + SLACK
                {
                    why.get_or_insert(format!("{} us after its own process gave it back", since - ended));
                }
            }
            if let Some(why) = why {
                let text = format!("{} claims {fence} {why}", operation.op);
                self.wrong(Violation::new(Property::P7, since, operation.key, text).of(&[&operation.op]));
                return;
            }
        }
    }

    /// P5: while a caller waits for a free key, it is soon taken.
    pub(super) fn idleness(&mut self) {
        let terms = self.terms;
        let most = terms.sleep + terms.grace;
        for waiting in self.operations.clone() {
            let to = waiting.granted.map_or(waiting.ended(), |(at, _)| at);
            if to == u64::MAX || to < waiting.invoked + most || self.truth.attached == 0 {
                continue;
            }
            let mut busy = self.times_away(waiting.process);
            busy.extend(self.truth.at(waiting.key).map(|turn| (turn.since, turn.over())));
            // A turn may be handed on in a process, and one caller may read a value for all.
            let others = self.operations.iter().filter(|other| other.key == waiting.key);
            busy.extend(others.filter_map(Operation::held));
            busy.sort_unstable();
            let (mut free_from, mut idle, mut idle_from) = (waiting.invoked, 0, waiting.invoked);
            for (start, end) in busy.into_iter().chain([(to, to)]) {
                let gap = start.min(to).saturating_sub(free_from);
                if gap > idle {
                    (idle, idle_from) = (gap, free_from);
                }
                free_from = free_from.max(end);
            }
            if idle > most {
                let text = format!("{} waited for {idle} us while the key was free", waiting.op);
                self.wrong(Violation::new(Property::P5, idle_from, waiting.key, text).of(&[&waiting.op]));
            }
        }
    }

    /// Errors have possible kinds, and come in time.
    pub(super) fn kinds(&mut self) {
        let last = self.evidence.events.iter().map(|event| event.at).max().unwrap_or_default();
        for operation in self.operations.clone() {
            if let Some((at, kind)) = &operation.refused
                && matches!(kind.as_str(), "misuse" | "foreign" | "config")
            {
                let text = format!("{} got an error of kind {kind}", operation.op);
                self.wrong(Violation::new(Property::Typed, *at, operation.key, text).of(&[&operation.op]));
            }
            if operation.over.is_none() && operation.died.is_some() {
                continue;
            }
            let over = operation.over.unwrap_or(last);
            let worked = operation
                .held()
                .map_or(0, |(from, _)| operation.released.map_or(last, |(at, _)| at).saturating_sub(from));
            // A caller that waits for a value waits while its leader works, and for the next leader.
            let patient =
                if operation.call == Call::Cached { 2 * operation.budget } else { operation.budget };
            let allowed = patient + worked + 2 * self.terms.unreachable();
            let took = over.saturating_sub(operation.invoked);
            let away = self.time_away(operation.process, operation.invoked, over);
            if took > allowed + away {
                let what = if operation.over.is_some() { "took" } else { "has no answer after" };
                let text =
                    format!("{} {what} {took} us, with a budget of {} us", operation.op, operation.budget);
                self.wrong(Violation::new(Property::Typed, over, operation.key, text).of(&[&operation.op]));
            }
        }
    }
}
