//! What `watch` knows: the locks, and what became of each since it began. Without I/O.

use crate::args::Sort;
use crate::list::sort;
use crate::lock::{Lock, State};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many events of a lock are kept.
const HISTORY: usize = 200;

/// A change of a lock, as seen from outside: turns that are shorter than the time between two looks do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// When it was seen (RFC 3339, UTC, by this machine's clock).
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) change: Change,
    /// Who holds it, or has done it; at the end of a turn, who did.
    pub(crate) holder: String,
    pub(crate) waiting: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// It was there at the first look.
    Seen,
    /// Somebody took it.
    Taken,
    /// Its work was done.
    Computed,
    /// It was given back, its lease ended, or what was computed expired or was forgotten.
    Freed,
    /// Another number of processes waits.
    Waiting,
}

impl Change {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Taken => "taken",
            Self::Computed => "computed",
            Self::Freed => "freed",
            Self::Waiting => "waiting",
        }
    }
}

/// The locks and their history.
#[derive(Default)]
pub(super) struct Model {
    locks: BTreeMap<String, Lock>,
    history: HashMap<String, VecDeque<Event>>,
    /// Whether all keys were gone through once: what is new from then on was taken, and not merely found.
    pub(super) is_settled: bool,
}

impl Model {
    pub(super) fn keys(&self) -> Vec<String> {
        self.locks.keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.locks.len()
    }

    /// Takes in what was seen, and returns what changed.
    pub(super) fn update(&mut self, seen: Vec<Lock>, at: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for lock in seen {
            let before = self.locks.get(&lock.key);
            if let Some((change, of)) = change(before, &lock, self.is_settled) {
                let event = Event {
                    at: at.to_owned(),
                    key: lock.key.clone(),
                    change,
                    holder: of.holder_text().to_owned(),
                    waiting: lock.waiting,
                };
                let history = self.history.entry(lock.key.clone()).or_default();
                if history.len() == HISTORY {
                    history.pop_front();
                }
                history.push_back(event.clone());
                events.push(event);
            }
            if matches!(lock.state, State::Held | State::Computed) {
                self.locks.insert(lock.key.clone(), lock);
            } else {
                self.locks.remove(&lock.key);
            }
        }
        events
    }

    /// The locks whose key or holder has this text, sorted.
    pub(super) fn visible(&self, by: Sort, filter: &str) -> Vec<Lock> {
        let filter = filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&filter);
        let mut locks: Vec<_> =
            self.locks.values().filter(|lock| has(&lock.key) || has(lock.holder_text())).cloned().collect();
        sort(&mut locks, by);
        locks
    }

    pub(super) fn lock(&self, key: &str) -> Option<&Lock> {
        self.locks.get(key)
    }

    pub(super) fn history(&self, key: &str) -> impl DoubleEndedIterator<Item = &Event> {
        self.history.get(key).into_iter().flatten()
    }
}

/// What changed, and whose holder to name; nothing if nothing did.
fn change<'a>(before: Option<&'a Lock>, now: &'a Lock, is_settled: bool) -> Option<(Change, &'a Lock)> {
    let is_there = |lock: &Lock| matches!(lock.state, State::Held | State::Computed);
    let same_turn = |before: &Lock| before.raw == now.raw;
    match (before, now.state) {
        (None, _) if !is_there(now) => None,
        (None, _) if !is_settled => Some((Change::Seen, now)),
        (Some(before), State::Held) if same_turn(before) => {
            (before.waiting != now.waiting).then_some((Change::Waiting, now))
        }
        (Some(before), State::Computed) if same_turn(before) => None,
        (_, State::Held) => Some((Change::Taken, now)),
        (_, State::Computed) => Some((Change::Computed, now)),
        (Some(before), State::Free | State::Foreign) => Some((Change::Freed, before)),
        (None, State::Free | State::Foreign) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::{held, lock};

    #[test]
    fn a_lock_has_a_history() {
        let mut model = Model::default();
        let mut see = |lock: Lock, settled: bool| {
            model.is_settled = settled;
            model.update(vec![lock], "now").into_iter().map(|event| event.change).next()
        };
        let done = || lock("k", "0b8e@web-1/1,2026-01-31T23:59:59.000000+00:00,1", 5, 0);
        assert_eq!(see(held("k", "web-1/1", 0), false), Some(Change::Seen));
        assert_eq!(see(held("k", "web-1/1", 0), true), None);
        assert_eq!(see(held("k", "web-1/1", 2), true), Some(Change::Waiting));
        assert_eq!(see(done(), true), Some(Change::Computed));
        assert_eq!(see(done(), true), None);
        assert_eq!(see(held("k", "web-2/2", 0), true), Some(Change::Taken));
        assert_eq!(see(lock("k", "", -2, 0), true), Some(Change::Freed));
        assert_eq!(see(lock("k", "", -2, 0), true), None);
        assert_eq!(see(held("k", "web-3/3", 0), true), Some(Change::Taken));
        assert_eq!(model.history("k").count(), 6);
        assert_eq!(model.history("k").nth(4).unwrap().holder, "web-2/2", "whose turn ended");
    }

    #[test]
    fn a_filter_takes_keys_and_holders() {
        let mut model = Model::default();
        model.update(vec![held("a", "web-1/1", 0), held("b", "web-2/2", 1)], "now");
        let keys =
            |by, filter: &str| model.visible(by, filter).into_iter().map(|it| it.key).collect::<Vec<_>>();
        assert_eq!(keys(Sort::State, ""), ["b", "a"]);
        assert_eq!(keys(Sort::Key, ""), ["a", "b"]);
        assert_eq!(keys(Sort::Key, "WEB-2"), ["b"]);
    }
}
