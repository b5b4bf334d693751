//! What must be true of every history.

use std::collections::{HashMap, HashSet};

use crate::history::{Caller, Forget, History, Run};
use crate::keys::{ERR_EXPIRE, Kind, LEASE, LOCKS, STALE, VALUES};
use crate::log::micros;

/// How late one may know of what others did: a process may not run for a while on a machine that has much to do, and
/// callers that join its flight meanwhile get what it read.
const NEWS: u64 = 400_000;

/// How much later than its budget a caller may return on such a machine.
const SLACK: u64 = 2_000_000;

/// For how long a key may lie idle while callers wait on such a machine; less than a lease, which frees any key.
const IDLE: u64 = 900_000;

/// What is wrong, a line each.
pub(crate) fn check(history: &History) -> Vec<String> {
    let mut checker = Checker { history, own: HashMap::new(), wrong: Vec::new() };
    for run in &history.runs {
        checker.own.entry(&run.caller).or_default().push(run);
    }
    for key in VALUES.iter().chain(&LOCKS) {
        let runs: Vec<_> = history.runs.iter().filter(|run| run.key == key.name).collect();
        // A value may expire while it is computed anew ahead of time, by one.
        checker.overlaps(&runs, usize::from(key.kind == Kind::Ahead), &history.forgets(key.name));
        let in_row = !key.forgotten && key.kind != Kind::Ahead;
        checker.fences(&runs, in_row);
        checker.freshness(key.name, key.kind, &runs);
        checker.idleness(key.name, &runs);
    }
    for caller in &history.callers {
        checker.caller(caller);
    }
    checker.wrong
}

struct Checker<'a> {
    history: &'a History,
    own: HashMap<&'a str, Vec<&'a Run>>,
    wrong: Vec<String>,
}

impl<'a> Checker<'a> {
    /// At most one at a time, and `more`, while leases hold.
    fn overlaps(&mut self, runs: &[&'a Run], more: usize, forgets: &[Forget]) {
        let mut under_way: Vec<&Run> = Vec::new();
        for run in runs {
            under_way.retain(|other| other.over(&self.history.deaths) > run.start);
            let lost = |other: &Run| {
                let asked = self.history.caller(&other.caller).start;
                forgets.iter().any(|forget| forget.start < run.start && asked < forget.end)
            };
            let meanwhile: Vec<_> = under_way.iter().filter(|other| !lost(other)).collect();
            if meanwhile.len() > more {
                self.wrong.push(format!("two at once: {run:?} began during {meanwhile:?}"));
            }
            under_way.push(run);
        }
    }

    fn fences(&mut self, runs: &[&'a Run], in_row: bool) {
        let mut given = HashSet::new();
        let mut over: Vec<_> =
            runs.iter().filter_map(|run| Some((run.end.as_ref()?.at, run.fence))).collect();
        over.sort_unstable();
        for run in runs.iter().filter(|run| run.fence != 0) {
            if !given.insert(run.fence) {
                self.wrong.push(format!("a fencing token given twice: {run:?}"));
            }
            // Where several may run at once, only what was over before this one asked is certainly an earlier grant.
            let asked = if in_row { run.start } else { self.history.caller(&run.caller).start };
            let before = over.partition_point(|(at, _)| *at < asked);
            if let Some((_, fence)) =
                over[..before].iter().rev().take(50).find(|(_, fence)| *fence >= run.fence)
            {
                self.wrong.push(format!("a fencing token that does not rise: {run:?} after {fence}"));
            }
        }
    }

    /// Nobody is served what was forgotten or has been followed by another turn's end.
    fn freshness(&mut self, key: &str, kind: Kind, runs: &[&'a Run]) {
        let forgets = self.history.forgets(key);
        // The turns that have ended in COMPUTED: when each began, and when that was known.
        let mut turns: Vec<_> = runs
            .iter()
            .filter(|run| run.is("ok") || (run.is("hold") && kind != Kind::Lock))
            .filter_map(|run| {
                let (caller, returned) = (self.history.caller(&run.caller), self.history.returned(run)?);
                let confirmed = caller
                    .returned
                    .as_ref()
                    .is_some_and(|(_, words)| words[0] == "value" || words[0] == "done");
                // Of who computes ahead of time the grant counts, which comes some time before its start.
                let began = if kind == Kind::Ahead { caller.start } else { run.start };
                confirmed.then_some((returned, began))
            })
            .collect();
        turns.sort_unstable();
        let life = VALUES.iter().find(|value| value.name == key).map(|value| micros(value.expire));
        let life = life.unwrap_or_default() + if kind == Kind::Stale { micros(STALE) } else { 0 };
        for caller in self.history.callers.iter().filter(|caller| caller.key.name == key) {
            let Some((_, words)) = &caller.returned else { continue };
            let ["value", run, _] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
                continue;
            };
            let Some(run) = self.history.run(run) else { continue };
            let returned = self.history.returned(run);
            let forgotten = forgets.iter().filter(|forget| forget.known).any(|forget| {
                let in_flight = caller.process == run.process && returned.is_none_or(|at| at > forget.start);
                run.start < forget.start && forget.end + NEWS < caller.start && !in_flight
            });
            if forgotten {
                self.wrong.push(format!("a forgotten value: {caller:?} of {run:?}"));
            }
            let Some(returned) = returned else { continue };
            let known = turns.partition_point(|(at, _)| at + NEWS < caller.start);
            if turns[..known].iter().rev().take(20).any(|(_, began)| *began > returned) {
                self.wrong.push(format!("a value that another turn has followed: {caller:?} of {run:?}"));
            }
            if caller.start > returned + life + NEWS {
                self.wrong.push(format!("an expired value: {caller:?} of {run:?}"));
            }
        }
    }

    /// Nobody waits where nobody works: what is given back, or was taken by one who has gone, is there for the next.
    fn idleness(&mut self, key: &str, runs: &[&'a Run]) {
        let deaths = &self.history.deaths;
        let callers: Vec<_> = self.history.callers.iter().filter(|caller| caller.key.name == key).collect();
        let mut busy: Vec<_> = (runs.iter())
            .map(|run| (run.start, run.end.as_ref().map_or(0, |end| end.at).max(run.over(deaths))))
            .collect();
        // Who was killed may have had the lock and not have begun, or not have given it back.
        busy.extend(callers.iter().filter_map(|caller| {
            let death = *deaths.get(&caller.process)?;
            let lately = caller.returned.as_ref().is_none_or(|(at, _)| at + NEWS > death);
            lately.then_some((caller.start, death + micros(LEASE)))
        }));
        busy.sort_unstable();
        for caller in callers {
            let Some((returned, _)) = caller.returned else { continue };
            let (mut free_from, mut idle) = (caller.start, 0);
            for &(start, end) in busy.iter().filter(|(_, end)| *end > caller.start) {
                idle = idle.max(start.min(returned).saturating_sub(free_from));
                free_from = free_from.max(end);
            }
            idle = idle.max(returned.saturating_sub(free_from));
            if idle > IDLE {
                self.wrong.push(format!("waited {idle} us while nobody worked: {caller:?}"));
            }
        }
    }

    fn caller(&mut self, caller: &'a Caller) {
        let Some((at, words)) = &caller.returned else {
            if !self.history.deaths.contains_key(&caller.process) {
                self.wrong.push(format!("never returned: {caller:?}"));
            }
            return;
        };
        let own = self.own.remove(&*caller.id).unwrap_or_default();
        let worked: u64 = own.iter().map(|run| run.end.as_ref().map_or(0, |end| end.at - run.start)).sum();
        let waited = (at - caller.start).saturating_sub(worked);
        if waited > caller.budget + SLACK {
            self.wrong.push(format!("waited for {waited} us: {caller:?}"));
        }
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let run = words.get(1).and_then(|run| self.history.run(run));
        let of = |how: &str| run.filter(|run| run.key == caller.key.name && run.is(how));
        let over = |run: &&Run| run.end.as_ref().is_some_and(|end| end.at <= *at);
        let right = match words[..] {
            ["value", _, key] => key == caller.key.name && of("ok").as_ref().is_some_and(over),
            ["own", _] => of("err").is_some_and(|run| run.caller == caller.id),
            ["failed", _] => of("err").filter(over).is_some_and(|run| {
                let longer = if caller.key.kind == Kind::Errors { micros(ERR_EXPIRE) } else { 0 };
                self.history.returned(run).is_none_or(|returned| caller.start <= returned + longer + NEWS)
            }),
            ["panicked"] => own.iter().any(|run| run.is("gone")),
            ["contended"] => waited >= caller.budget && worked == 0,
            ["dropped" | "done" | "forgot"] | ["dropped", "forgetting"] => true,
            _ => false,
        };
        if !right {
            self.wrong.push(format!("not what a caller may get: {caller:?} of {run:?}"));
        }
    }
}
