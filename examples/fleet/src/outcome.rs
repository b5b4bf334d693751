//! What happened, according to the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::log::{Entry, Event};

/// The times of one caller's events; `None` for events that did not happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) called: Option<Duration>,
    pub(crate) started: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    pub(crate) returned: Option<Duration>,
    pub(crate) error: Option<String>,
    /// When its process ended, if it had no answer by then.
    pub(crate) lost: Option<Duration>,
}

impl Caller {
    /// When its call ended, with or without an answer.
    pub(crate) fn over(&self) -> Option<Duration> {
        self.returned.or(self.lost)
    }

    /// When it held the lock.
    pub(crate) fn computing(&self) -> Option<(Duration, Duration)> {
        self.started.zip(self.ended.or(self.over()))
    }

    /// How long it waited for the lock or the report.
    fn waited(&self) -> Duration {
        let until = self.started.or(self.over());
        until.zip(self.called).map(|(until, called)| until.saturating_sub(called)).unwrap_or_default()
    }

    /// Whether it got an error, or no answer at all.
    pub(crate) fn failed(&self) -> bool {
        self.error.is_some() || self.lost.is_some()
    }

    /// Whether it got a report that another caller computed.
    fn served(&self) -> bool {
        self.returned.is_some() && self.error.is_none() && self.started.is_none()
    }
}

/// One worker process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) starts: usize,
    pub(crate) computations: usize,
    pub(crate) callers: BTreeMap<usize, Caller>,
}

impl Process {
    /// The caller that a line is about.
    fn caller(&mut self, entry: &Entry) -> &mut Caller {
        self.callers.entry(entry.caller).or_default()
    }

    pub(crate) fn served(&self) -> usize {
        self.callers.values().filter(|caller| caller.served()).count()
    }

    pub(crate) fn longest_wait(&self) -> Duration {
        self.callers.values().map(Caller::waited).max().unwrap_or_default()
    }
}

/// The whole fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) processes: BTreeMap<usize, Process>,
    /// Computations that began while another one ran.
    pub(crate) overlaps: usize,
    /// Answers that were no errors.
    pub(crate) answers: usize,
    /// The digests that callers got: one, if all is well.
    pub(crate) digests: BTreeSet<String>,
}

impl Outcome {
    /// Goes through the log in the order in which it was written.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut outcome = Self::default();
        let mut computing = BTreeSet::new();
        for entry in entries {
            let process = outcome.processes.entry(entry.process).or_default();
            process.pid = entry.pid;
            match &entry.event {
                Event::Call => process.caller(entry).called = Some(entry.at),
                Event::Start => {
                    process.caller(entry).started = Some(entry.at);
                    process.starts += 1;
                    outcome.overlaps += usize::from(!computing.is_empty());
                    computing.insert((entry.process, entry.caller));
                }
                Event::End | Event::Fail => {
                    process.caller(entry).ended = Some(entry.at);
                    process.computations += usize::from(entry.event == Event::End);
                    computing.remove(&(entry.process, entry.caller));
                }
                Event::Return(digest) => {
                    process.caller(entry).returned = Some(entry.at);
                    outcome.answers += 1;
                    outcome.digests.insert(digest.clone());
                }
                Event::Error(error) => {
                    let caller = process.caller(entry);
                    caller.returned = Some(entry.at);
                    caller.error = Some(error.clone());
                }
                Event::Gone => {
                    computing.retain(|(process, _)| *process != entry.process);
                    for caller in process.callers.values_mut().filter(|caller| caller.returned.is_none()) {
                        caller.lost = Some(entry.at);
                    }
                }
            }
        }
        outcome
    }

    pub(crate) fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.processes.values().flat_map(|process| process.callers.values())
    }

    pub(crate) fn starts(&self) -> usize {
        self.processes.values().map(|process| process.starts).sum()
    }

    pub(crate) fn computations(&self) -> usize {
        self.processes.values().map(|process| process.computations).sum()
    }

    pub(crate) fn served(&self) -> usize {
        self.processes.values().map(Process::served).sum()
    }

    /// How many callers of this process got an answer, errors included.
    pub(crate) fn answered_in(&self, process: usize) -> usize {
        let answered =
            |process: &Process| process.callers.values().filter(|caller| caller.returned.is_some()).count();
        self.processes.get(&process).map_or(0, answered)
    }

    /// From the end of the last computation to the last answer.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let ended = self.callers().filter_map(|caller| caller.ended).max()?;
        let returned = self.callers().filter_map(|caller| caller.returned).max()?;
        Some(returned.saturating_sub(ended))
    }

    /// The errors that callers got, each text once, with how many got it.
    pub(crate) fn errors(&self) -> BTreeMap<&str, usize> {
        let mut errors = BTreeMap::new();
        for error in self.callers().filter_map(|caller| caller.error.as_deref()) {
            *errors.entry(error).or_default() += 1;
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &str) -> Outcome {
        Outcome::of(&lines.lines().map(|line| Entry::from_line(line).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn one_computes_and_one_is_served() {
        let outcome = outcome(
            "1.000000000 0 71 0 call\n1.000000000 1 72 0 call\n1.010000000 0 71 0 start\n1.050000000 0 71 0 end\n\
             1.060000000 0 71 0 return ab\n1.100000000 1 72 0 return ab",
        );
        assert_eq!((outcome.answered_in(0), outcome.answered_in(1), outcome.answered_in(2)), (1, 1, 0));
        assert_eq!((outcome.starts(), outcome.computations(), outcome.served()), (1, 1, 1));
        assert_eq!(outcome.delay(), Some(Duration::from_millis(50)));
        assert_eq!(outcome.digests.len(), 1);
        assert_eq!((outcome.overlaps, outcome.answers), (0, 2));
        assert_eq!(outcome.processes[&0].longest_wait(), Duration::from_millis(10));
        assert_eq!(outcome.processes[&1].longest_wait(), Duration::from_millis(100));
    }

    #[test]
    fn an_overlap_is_told_by_the_order_of_the_lines() {
        let outcome = outcome(
            "1.000000000 0 71 0 start\n1.000000000 1 72 0 start\n1.000000000 0 71 0 end\n1.000000000 1 72 0 end\n\
             1.000000000 0 71 1 start\n1.000000000 0 71 1 end",
        );
        assert_eq!((outcome.starts(), outcome.computations(), outcome.overlaps), (3, 3, 1));
    }

    #[test]
    fn a_failed_computation_is_none_and_its_callers_error_is_counted() {
        let outcome = outcome(
            "1.000000000 0 71 0 call\n1.000000000 0 71 0 start\n1.000000000 0 71 0 fail\n\
             1.000000000 0 71 0 error no such file",
        );
        assert_eq!(
            (outcome.starts(), outcome.computations(), outcome.served(), outcome.answers),
            (1, 0, 0, 0)
        );
        assert_eq!(outcome.errors(), BTreeMap::from([("no such file", 1)]));
    }

    #[test]
    fn the_end_of_a_process_ends_its_computation() {
        let outcome = outcome(
            "1.000000000 0 71 3 call\n1.000000000 0 71 3 start\n1.500000000 0 71 0 gone\n\
             2.000000000 1 72 0 start\n2.100000000 1 72 0 end",
        );
        assert_eq!((outcome.starts(), outcome.computations(), outcome.overlaps), (2, 1, 0));
        let lost = &outcome.processes[&0].callers[&3];
        assert_eq!(lost.computing(), Some((Duration::from_secs(1), Duration::from_millis(1500))));
        assert_eq!((outcome.answers, outcome.served()), (0, 0));
        assert_eq!(outcome.answered_in(0), 0);
    }
}
