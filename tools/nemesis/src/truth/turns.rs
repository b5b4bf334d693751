//! The turns at each key as the servers saw them: who had the record when, and who changed another one's record.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use super::{Act, Fact};
use crate::check::{Property, Violation};
use crate::history::Op;
use crate::worker::Cache;

/// How inexact the times of a server may be: it reads the clock once for each command.
pub(crate) const SLACK: u64 = 5_000;

/// How a turn ended other than by expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its own process removed it.
    Removed,
    /// Its own process marked it COMPUTED until then.
    Computed { until: u64 },
    /// Another process's script replaced or removed it.
    Foreign,
    /// It was removed by hand.
    Admin,
}

/// One BLOCKED record from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) key: u64,
    tag: String,
    /// The operation that took it, by the name in its tag.
    pub(crate) op: Op,
    pub(crate) since: u64,
    /// The highest token that came with it, or 0 if that was not seen.
    pub(crate) top: u64,
    /// From when on it lived until when.
    lives: Vec<(u64, u64)>,
    pub(crate) end: Option<(u64, End)>,
    /// Another process extended its life.
    pub(crate) prolonged: bool,
    /// When its result was deleted, before it expired.
    pub(crate) deleted: Option<u64>,
}

impl Turn {
    /// The expiry that was set at a moment.
    pub(crate) fn until(&self, at: u64) -> u64 {
        self.lives.iter().rev().find(|(from, _)| *from <= at).map_or(self.since, |(_, until)| *until)
    }

    /// When it ceased to block the key.
    pub(crate) fn over(&self) -> u64 {
        let expired = self.lives.last().map_or(self.since, |(_, until)| *until);
        self.end.map_or(expired, |(at, _)| at.min(expired))
    }

    /// Whether it replaced a result before that expired, and so never blocked the key.
    pub(crate) fn is_ahead(&self) -> bool {
        self.lives.is_empty()
    }

    pub(crate) fn process(&self) -> Option<u32> {
        self.op.split_once('-')?.0.parse().ok()
    }
}

/// The known content of a record.
#[derive(Clone, Copy)]
enum Current {
    Unknown,
    Nothing,
    Turn(usize),
}

#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) turns: Vec<Turn>,
    /// The turns of a key, in their order.
    pub(crate) by_key: HashMap<u64, Vec<usize>>,
    /// How often a monitor was attached to a server.
    pub(crate) attached: usize,
    pub(crate) wrong: Vec<Violation>,
    /// Records that were taken while they lived, and since when they existed. That is wrong unless the server had lost them.
    pub(crate) taken: Vec<(u64, Violation)>,
    current: HashMap<(u32, u64), Current>,
    /// Tokens that came before the record, which a script then replaces: by whom, and the highest.
    early: HashMap<(u32, u64), (Vec<String>, u64)>,
    /// Servers whose earlier content is unknown.
    unknown: HashSet<u32>,
}

impl Truth {
    pub(crate) fn of(mut facts: Vec<Fact>) -> Self {
        // The facts of each server are in order except for microseconds. This merges those of several servers.
        let mut latest: HashMap<u32, u64> = HashMap::new();
        for fact in &mut facts {
            let latest = latest.entry(fact.server).or_default();
            fact.at = fact.at.max(*latest);
            *latest = fact.at;
        }
        facts.sort_by_key(|fact| fact.at);
        let mut truth = Self::default();
        for fact in &facts {
            truth.take(fact);
        }
        truth
    }

    /// The turn of a token, if it was seen.
    pub(crate) fn of_fence(&self, key: u64, fence: u64, at: u64) -> Option<&Turn> {
        let turns = self.by_key.get(&key)?.iter().map(|&turn| &self.turns[turn]);
        turns.filter(|turn| turn.since <= at + SLACK && turn.top >= fence).min_by_key(|turn| {
            // Of two with the same token the later one.
            (turn.top, u64::MAX - turn.since)
        })
    }

    /// The tokens that came with a turn: its own and those that were reserved for its process.
    pub(crate) fn tokens(&self, turn: &Turn) -> RangeInclusive<u64> {
        let before = self.at(turn.key).map(|other| other.top).filter(|&top| top < turn.top).max();
        before.unwrap_or_default() + 1..=turn.top
    }

    pub(crate) fn at(&self, key: u64) -> impl DoubleEndedIterator<Item = &Turn> {
        self.by_key.get(&key).into_iter().flatten().map(|&turn| &self.turns[turn])
    }

    fn current(&self, fact: &Fact) -> Current {
        let unseen = if self.unknown.contains(&fact.place()) { Current::Unknown } else { Current::Nothing };
        *self.current.get(&(fact.place(), fact.key)).unwrap_or(&unseen)
    }

    fn set_current(&mut self, fact: &Fact, current: Current) {
        self.current.insert((fact.place(), fact.key), current);
    }

    fn take(&mut self, fact: &Fact) {
        match &fact.act {
            Act::Attached => {
                self.current.retain(|(server, _), _| *server != fact.place());
                if self.attached > 0 {
                    self.unknown.insert(fact.place());
                }
                self.attached += 1;
            }
            Act::Flushed => {
                let gone = self.current.iter().filter(|((server, _), _)| *server == fact.place());
                let gone: Vec<_> = gone
                    .filter_map(
                        |(_, current)| if let Current::Turn(turn) = current { Some(*turn) } else { None },
                    )
                    .collect();
                for turn in gone {
                    self.gone(turn, fact.at, End::Admin);
                }
                self.current.retain(|(server, _), _| *server != fact.place());
                self.unknown.remove(&fact.place());
            }
            Act::Set { tag, computed: false, life } => self.block(fact, tag, *life),
            Act::Set { tag, computed: true, life } => self.compute(fact, tag, *life),
            Act::Fence { top } => self.fence(fact, *top),
            Act::Renew { life } => self.renew(fact, *life),
            Act::Delete => self.delete(fact),
        }
    }

    fn block(&mut self, fact: &Fact, tag: &str, life: u64) {
        if let Current::Turn(held) = self.current(fact)
            && !fact.by.is_empty()
            && self.turns[held].end.is_none()
            && self.turns[held].until(fact.at) > fact.at + SLACK
        {
            let since = self.turns[held].since;
            let taken = self.foreign(fact, held, &format!("{} took the record", op_of(tag)));
            self.taken.push((since, taken));
        }
        let lives = vec![(fact.at, fact.at.saturating_add(life))];
        let early = self.early.remove(&(fact.place(), fact.key)).filter(|(by, _)| *by == fact.by);
        let turn = Turn {
            key: fact.key,
            tag: tag.to_owned(),
            op: op_of(tag),
            since: fact.at,
            top: early.map_or(0, |(_, top)| top),
            lives,
            end: None,
            prolonged: false,
            deleted: None,
        };
        self.push(fact, turn);
    }

    fn push(&mut self, fact: &Fact, turn: Turn) {
        self.by_key.entry(fact.key).or_default().push(self.turns.len());
        self.set_current(fact, Current::Turn(self.turns.len()));
        self.turns.push(turn);
    }

    /// Notes that the record of this turn was deleted.
    fn gone(&mut self, turn: usize, at: u64, end: End) {
        let turn = &mut self.turns[turn];
        if turn.end.is_some() {
            turn.deleted.get_or_insert(at);
        } else {
            turn.end = Some((at, end));
        }
    }

    fn compute(&mut self, fact: &Fact, tag: &str, life: u64) {
        let end = End::Computed { until: fact.at.saturating_add(life) };
        match self.current(fact) {
            Current::Turn(held) if self.turns[held].tag == tag => {
                self.turns[held].end.get_or_insert((fact.at, end));
            }
            Current::Turn(held) if !fact.by.is_empty() && self.turns[held].end.is_none() => {
                let wrong = self.foreign(fact, held, &format!("{} marked as its own the record", op_of(tag)));
                self.wrong.push(wrong);
            }
            _ => match self.latest_of(fact.key, tag) {
                Some(turn) => drop(self.turns[turn].end.get_or_insert((fact.at, end))),
                None if Cache::of(fact.key) == Some(Cache::Ahead) => {
                    let turn = Turn {
                        key: fact.key,
                        tag: tag.to_owned(),
                        op: op_of(tag),
                        since: fact.at,
                        top: 0,
                        lives: Vec::new(),
                        end: Some((fact.at, end)),
                        prolonged: false,
                        deleted: None,
                    };
                    self.push(fact, turn);
                }
                None => {}
            },
        }
    }

    fn fence(&mut self, fact: &Fact, top: u64) {
        let last = self.by_key.get(&fact.key).and_then(|turns| turns.last());
        match last.map(|&turn| &mut self.turns[turn]).filter(|turn| fact.by.contains(&turn.tag)) {
            // A repeat by the same turn gets a higher token.
            Some(turn) => turn.top = turn.top.max(top),
            None => drop(self.early.insert((fact.place(), fact.key), (fact.by.clone(), top))),
        }
    }

    fn renew(&mut self, fact: &Fact, life: u64) {
        let until = fact.at.saturating_add(life);
        match self.current(fact) {
            Current::Turn(held) if fact.by.contains(&self.turns[held].tag) => {
                self.turns[held].lives.push((fact.at, until));
            }
            Current::Turn(held) if fact.by.is_empty() => {
                self.turns[held].lives.push((fact.at, until));
                self.turns[held].prolonged = true;
            }
            Current::Turn(held) => {
                let who: Vec<_> = fact.by.iter().map(|tag| op_of(tag)).collect();
                let wrong = self.foreign(fact, held, &format!("{} renewed the record", who.join(" or ")));
                self.wrong.push(wrong);
            }
            Current::Unknown | Current::Nothing => {
                for tag in &fact.by {
                    if let Some(turn) = self.latest_of(fact.key, tag) {
                        self.turns[turn].lives.push((fact.at, until));
                        self.set_current(fact, Current::Turn(turn));
                    }
                }
            }
        }
    }

    fn delete(&mut self, fact: &Fact) {
        if let Current::Turn(held) = self.current(fact) {
            if fact.by.is_empty() {
                self.gone(held, fact.at, End::Admin);
            } else if fact.by.contains(&self.turns[held].tag) {
                self.gone(held, fact.at, End::Removed);
            } else {
                let wrong = self.foreign(fact, held, &format!("{} removed the record", op_of(&fact.by[0])));
                self.wrong.push(wrong);
            }
        } else {
            for tag in &fact.by {
                if let Some(turn) = self.latest_of(fact.key, tag) {
                    self.turns[turn].end.get_or_insert((fact.at, End::Removed));
                }
            }
        }
        self.set_current(fact, Current::Nothing);
    }

    fn latest_of(&self, key: u64, tag: &str) -> Option<usize> {
        self.by_key.get(&key)?.iter().rev().copied().find(|&turn| self.turns[turn].tag == tag)
    }

    fn foreign(&mut self, fact: &Fact, held: usize, what: &str) -> Violation {
        let turn = &mut self.turns[held];
        turn.end.get_or_insert((fact.at, End::Foreign));
        let text = format!("{what} that {} held", turn.op);
        Violation::new(Property::P3, fact.at, fact.key, text).of(&[&turn.op])
    }
}

/// The operation that a tag names: `…/op3-17,<timestamp>,`.
fn op_of(tag: &str) -> Op {
    let name = tag.split_once("/op").and_then(|(_, rest)| rest.split_once(','));
    name.map_or_else(|| tag.to_owned(), |(op, _)| op.to_owned())
}
