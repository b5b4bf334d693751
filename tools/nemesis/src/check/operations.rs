//! The events of a history, put together by operation.

use std::collections::HashMap;

use crate::faults::Entry;
use crate::history::{Call, Event, How, Op, What};

/// One operation from its call to its end.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) op: Op,
    pub(crate) process: u32,
    pub(crate) key: u64,
    pub(crate) call: Call,
    pub(crate) invoked: u64,
    pub(crate) budget: u64,
    /// When it was granted, and its token.
    pub(crate) granted: Option<(u64, u64)>,
    /// The latest deadline that it knew of.
    pub(crate) deadline: u64,
    /// When it was told that it holds (just before it asked), and the deadline that it knew then.
    pub(crate) claims: Vec<(u64, u64)>,
    pub(crate) refused_writes: u64,
    pub(crate) released: Option<(u64, How)>,
    pub(crate) confirmed: Option<(u64, String)>,
    /// The error or outcome in place of a lock.
    pub(crate) refused: Option<(u64, String)>,
    /// The run whose failure it was told.
    pub(crate) failed_run: Option<Op>,
    /// The run whose value it got, its token, and whether it was whole.
    pub(crate) value: Option<(u64, Op, u64, bool)>,
    /// When its caller got the last answer.
    pub(crate) over: Option<u64>,
    /// When its process died, if it did.
    pub(crate) died: Option<u64>,
}

impl Operation {
    /// The time in which it believed to hold and acted on that, if it was granted.
    pub(crate) fn held(&self) -> Option<(u64, u64)> {
        let (from, _) = self.granted?;
        let stopped = self.released.map_or(u64::MAX, |(at, _)| at).min(self.died.unwrap_or(u64::MAX));
        let claimed = self.claims.iter().map(|(since, _)| *since).max().unwrap_or_default();
        // A holder that goes on beyond its deadline holds as long as it goes on.
        Some((from, stopped.min(self.deadline).max(claimed)))
    }

    pub(crate) fn fence(&self) -> u64 {
        self.granted.map_or(0, |(_, fence)| fence)
    }

    /// When it has no more effects.
    pub(crate) fn ended(&self) -> u64 {
        self.over.or(self.died).unwrap_or(u64::MAX)
    }
}

/// All operations in the order of their calls.
pub(crate) fn operations(events: &[Event], entries: &[Entry]) -> Vec<Operation> {
    let death =
        |entry: &Entry| if let Entry::Death { process, at } = entry { Some((*process, *at)) } else { None };
    let deaths: HashMap<u32, u64> = entries.iter().filter_map(death).collect();
    let mut operations: HashMap<&str, Operation> = HashMap::new();
    for event in events {
        if let What::Invoke { call, budget } = &event.what {
            let operation = Operation {
                op: event.op.clone(),
                process: event.process,
                key: event.key,
                call: *call,
                invoked: event.at,
                budget: *budget,
                granted: None,
                deadline: 0,
                claims: Vec::new(),
                refused_writes: 0,
                released: None,
                confirmed: None,
                refused: None,
                failed_run: None,
                value: None,
                over: None,
                died: deaths.get(&event.process).copied(),
            };
            operations.insert(&event.op, operation);
        } else if let Some(operation) = operations.get_mut(&*event.op) {
            take(operation, event);
        }
    }
    let mut operations: Vec<_> = operations.into_values().collect();
    operations.sort_by(|one, other| (one.invoked, &one.op).cmp(&(other.invoked, &other.op)));
    operations
}

fn take(operation: &mut Operation, event: &Event) {
    let at = event.at;
    match &event.what {
        What::Ok { fence, deadline } => {
            operation.granted = Some((at, *fence));
            operation.deadline = operation.deadline.max(*deadline);
        }
        What::Claim { since, deadline, .. } => {
            operation.claims.push((*since, *deadline));
            operation.deadline = operation.deadline.max(*deadline);
        }
        What::Write { accepted: false, .. } => operation.refused_writes += 1,
        What::Release { how, .. } => {
            operation.released = Some((at, *how));
            if *how == How::Drop {
                operation.over = Some(at);
            }
        }
        What::Released { kind, .. } => {
            operation.confirmed = Some((at, kind.clone()));
            operation.over = Some(at);
        }
        What::Fail { kind, run } => {
            operation.refused = Some((at, kind.clone()));
            operation.failed_run.clone_from(run);
            operation.over = Some(at);
        }
        What::Info { kind } => {
            operation.refused = Some((at, kind.clone()));
            operation.over = Some(at);
        }
        What::Value { run, fence, whole } => {
            operation.value = Some((at, run.clone(), *fence, *whole));
            operation.over = Some(at);
        }
        What::Done => operation.over = Some(at),
        What::Invoke { .. } | What::Write { .. } | What::Lost { .. } | What::Gauge { .. } => {}
    }
}
