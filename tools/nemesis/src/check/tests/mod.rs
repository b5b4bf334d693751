//! Histories by hand: for each property one that keeps it and one that does not.

use super::{Accepted, Evidence, Property, check};
use crate::faults::{Entry, Fault, Loss};
use crate::history::{Call, Event, How, What};
use crate::truth::{Act, Fact};
use crate::worker::{CACHED_FROM, Cache};

mod locks;
mod told;
mod values;

const KEY: u64 = 1;

/// Milliseconds; the lease is 300.
const fn at(ms: u64) -> u64 {
    10_000_000 + ms * 1_000
}

fn tag(op: &str) -> String {
    format!("u-{op}@host/1/op{op},2026-01-31T23:59:59.000123+00:00,")
}

/// A history that grows by what happens; processes and servers tell the same story unless it is said otherwise.
struct Story {
    evidence: Evidence,
    key: u64,
}

impl Story {
    fn new() -> Self {
        Self::of(KEY)
    }

    fn of(key: u64) -> Self {
        let mut story = Self { evidence: Evidence::default(), key };
        story.fact(0, &[], Act::Attached);
        story
    }

    fn event(&mut self, ms: u64, op: &str, what: What) -> &mut Self {
        let process = op.split_once('-').unwrap().0.parse().unwrap();
        self.evidence.events.push(Event { at: at(ms), process, op: op.to_owned(), key: self.key, what });
        self
    }

    fn fact(&mut self, ms: u64, by: &[&str], act: Act) -> &mut Self {
        let by = by.iter().map(|op| tag(op)).collect();
        self.evidence.facts.push(Fact { at: at(ms), server: 0, key: self.key, by, act });
        self
    }

    fn fault(&mut self, from: u64, to: u64, loses: Loss, away: bool) -> &mut Self {
        let fault = Fault { name: "fault".to_owned(), from: at(from), to: at(to), slot: None, loses, away };
        self.evidence.entries.push(Entry::Fault(fault));
        self
    }

    fn asks_for(&mut self, call: Call, ms: u64, op: &str) -> &mut Self {
        self.event(ms, op, What::Invoke { call, budget: 1_000_000 })
    }

    fn asks(&mut self, ms: u64, op: &str) -> &mut Self {
        self.asks_for(Call::Lock, ms, op)
    }

    /// The server gives the lock, with tokens up to `fence`.
    fn given(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.fact(ms, &[op], Act::Set { tag: tag(op), computed: false, life: 300_000 });
        self.fact(ms, &[op], Act::Fence { top: fence })
    }

    /// The caller is told so.
    fn granted(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.event(ms, op, What::Ok { fence, deadline: at(ms + 299) })
    }

    /// All of it: asks, is given, is told.
    fn locks(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.asks(ms, op).given(ms, op, fence).granted(ms, op, fence)
    }

    fn claims(&mut self, ms: u64, op: &str, fence: u64, deadline: u64) -> &mut Self {
        self.event(ms, op, What::Claim { fence, since: at(ms), deadline: at(deadline) })
    }

    fn releases(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.event(ms, op, What::Release { fence, how: How::Release });
        self.fact(ms, &[op], Act::Delete);
        self.event(ms + 1, op, What::Released { fence, kind: "ok".to_owned() })
    }

    fn told(&mut self, ms: u64, op: &str, kind: &str) -> &mut Self {
        self.event(ms, op, What::Info { kind: kind.to_owned() })
    }

    /// A cached function runs and stores its value for 200 ms.
    fn computes(&mut self, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.computes_for(200, ms, op, fence)
    }

    fn computes_for(&mut self, life: u64, ms: u64, op: &str, fence: u64) -> &mut Self {
        self.asks_for(Call::Cached, ms, op).given(ms, op, fence).granted(ms, op, fence);
        self.event(ms + 10, op, What::Release { fence, how: How::Publish });
        self.fact(ms + 11, &[op], Act::Set { tag: tag(op), computed: true, life: life * 1_000 });
        self.reads(ms + 12, op, op, fence, true)
    }

    fn reads(&mut self, ms: u64, op: &str, run: &str, fence: u64, whole: bool) -> &mut Self {
        self.event(ms, op, What::Value { run: run.to_owned(), fence, whole })
    }

    fn violated(&self) -> Vec<Property> {
        let mut violated: Vec<_> =
            check(&self.evidence).violations.iter().map(|violation| violation.property).collect();
        violated.dedup();
        violated
    }
}
