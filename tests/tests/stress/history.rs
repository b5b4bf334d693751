//! What happened in a round, read from its log.

use std::collections::HashMap;

use crate::keys::{Key, LEASE, find};
use crate::log::{Line, micros, read};

/// A body that ran, or a lock that was held.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) caller: String,
    pub(crate) key: &'static str,
    pub(crate) process: u32,
    pub(crate) start: u64,
    /// Zero where the caller was not told.
    pub(crate) fence: u64,
    /// Until when it was known to be held as it began.
    pub(crate) until: u64,
    pub(crate) end: Option<End>,
}

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) at: u64,
    pub(crate) how: String,
    pub(crate) held: bool,
}

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) id: String,
    pub(crate) key: &'static Key,
    pub(crate) process: u32,
    pub(crate) start: u64,
    pub(crate) budget: u64,
    /// When it returned, and what.
    pub(crate) returned: Option<(u64, Vec<String>)>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) runs: Vec<Run>,
    pub(crate) callers: Vec<Caller>,
    /// When the processes that were killed died.
    pub(crate) deaths: HashMap<u32, u64>,
    run_ids: HashMap<String, usize>,
    caller_ids: HashMap<String, usize>,
}

impl History {
    pub(crate) fn read(log: &str) -> Self {
        let mut history = Self::default();
        for line in read(log) {
            history.take(&line);
        }
        history
    }

    fn take(&mut self, line: &Line<'_>) {
        let (at, process) = (line.at, line.process);
        let number =
            |word: &str| word.parse().unwrap_or_else(|_| panic!("no number: {word:?} in {:?}", line.words));
        match line.words[..] {
            ["call", id, key, budget] => {
                self.caller_ids.insert(id.to_owned(), self.callers.len());
                let (id, key, budget) = (id.to_owned(), find(key), number(budget));
                self.callers.push(Caller { id, key, process, start: at, budget, returned: None });
            }
            ["ret", id, ref outcome @ ..] => {
                let outcome = outcome.iter().map(|&word| word.to_owned()).collect();
                self.callers[self.caller_ids[id]].returned = Some((at, outcome));
            }
            ["run", id, caller, key, fence, until] => {
                self.run_ids.insert(id.to_owned(), self.runs.len());
                let (caller, key) = (caller.to_owned(), find(key).name);
                let (fence, until) = (number(fence), number(until));
                self.runs.push(Run { caller, key, process, start: at, fence, until, end: None });
            }
            ["end", id, how, held, at] => {
                let end = End { at: number(at), how: how.to_owned(), held: held == "1" };
                self.runs[self.run_ids[id]].end = Some(end);
            }
            ["die"] => drop(self.deaths.entry(process).or_insert(at)),
            ["done"] => {}
            _ => panic!("not an event: {:?}", line.words),
        }
    }

    pub(crate) fn run(&self, id: &str) -> Option<&Run> {
        Some(&self.runs[*self.run_ids.get(id)?])
    }

    pub(crate) fn caller(&self, id: &str) -> &Caller {
        &self.callers[self.caller_ids[id]]
    }

    /// When the caller of a run returned.
    pub(crate) fn returned(&self, run: &Run) -> Option<u64> {
        self.caller(&run.caller).returned.as_ref().map(|(at, _)| *at)
    }

    /// The times at which somebody forgot this key, or may have.
    pub(crate) fn forgets(&self, key: &str) -> Vec<Forget> {
        let forgot = |caller: &Caller| {
            let start = caller.start;
            match &caller.returned {
                Some((end, outcome)) => {
                    let known = outcome[0] == "forgot";
                    let forgot = known || outcome.iter().any(|word| word == "forgetting");
                    forgot.then_some(Forget { start, end: *end, known })
                }
                // Killed, whatever it was about to do.
                None => Some(Forget { start, end: *self.deaths.get(&caller.process)?, known: false }),
            }
        };
        self.callers
            .iter()
            .filter(|caller| caller.key.name == key && caller.key.forgotten)
            .filter_map(forgot)
            .collect()
    }
}

#[derive(Debug)]
pub(crate) struct Forget {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) known: bool,
}

impl Run {
    pub(crate) fn is(&self, how: &str) -> bool {
        self.end.as_ref().is_some_and(|end| end.how == how)
    }

    /// Until when it certainly had the lock.
    pub(crate) fn over(&self, deaths: &HashMap<u32, u64>) -> u64 {
        match &self.end {
            Some(end) if end.held => end.at,
            Some(end) => end.at.min(self.until),
            // Killed: the lease goes on without it.
            None => match deaths.get(&self.process) {
                Some(&death) if death - self.start.min(death) < micros(LEASE / 2) => death.max(self.until),
                _ => self.until,
            },
        }
    }
}
