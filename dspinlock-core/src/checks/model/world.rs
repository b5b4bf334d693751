//! The state of the model.

use super::config::{Bounds, tick};
use super::process::{Hold, Process, Stage};
use super::server::Letter;
use crate::clock::Tick;
use crate::format::record::State;
use crate::store::memory::Entries;

/// One turn: a request with a tag of its own, and the holding that may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TurnId(pub(super) u8);

impl TurnId {
    /// The turn that this record belongs to.
    pub(super) fn of(raw: &[u8]) -> Self {
        Self(raw[0] - b'0')
    }
}

/// The state of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Its caller asks for the lock, or holds it.
    Open,
    /// The lock is on its way back, and the server has not answered.
    Ending,
    /// The lock was given back, and the server has answered.
    Over,
    /// Its caller was refused, got an error, or has gone.
    Refused,
    /// It was refused, but had taken the lock, which was given back just now.
    TakenBack,
    /// Its process has crashed.
    Crashed,
    /// Nothing is left of it, and another turn may have its number.
    Forgotten,
}

/// The state of the model at one moment.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct World {
    pub(super) time: u8,
    pub(super) entries: Entries,
    /// The record at the key.
    pub(super) standing: Option<(TurnId, State)>,
    /// The requests on their way to the server.
    pub(super) letters: Vec<Letter>,
    /// The processes with a turn under way. An idle one is like any other.
    pub(super) processes: Vec<Process>,
    pub(super) fates: Vec<Fate>,
    /// The events that may still happen.
    pub(super) left: Bounds,
    /// The highest fencing token that was given or reserved for any lock of the sequence.
    pub(super) top: Option<u64>,
    /// The highest token that a holder has entered with, as a register that checks tokens knows it.
    pub(super) entered: u64,
    pub(super) breach: Option<Breach>,
}

/// An event that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Breach {
    /// A token was granted that is not higher than all before of its sequence.
    Token,
    /// A release, abandon or renewal has changed the record of another turn.
    Foreign,
    /// A turn was taken back while its release was on its way. The release then found nothing.
    Overtaken,
}

impl World {
    pub(super) fn new_turn(&mut self) -> TurnId {
        let free = self.fates.iter().position(|fate| *fate == Fate::Forgotten);
        let at = free.unwrap_or_else(|| {
            self.fates.push(Fate::Open);
            self.fates.len() - 1
        });
        self.fates[at] = Fate::Open;
        TurnId(u8::try_from(at).expect("the bounds are small"))
    }

    pub(super) fn fate(&self, turn: TurnId) -> Fate {
        self.fates[usize::from(turn.0)]
    }

    pub(super) fn set_fate(&mut self, turn: TurnId, fate: Fate) {
        self.fates[usize::from(turn.0)] = fate;
    }

    /// The server has answered what ends this turn.
    pub(super) fn answer(&mut self, turn: TurnId) {
        if self.fate(turn) == Fate::Ending {
            self.set_fate(turn, Fate::Over);
        }
    }

    /// A holder enters, and writes to the register.
    pub(super) fn enter(&mut self, fence: u64) {
        self.entered = self.entered.max(fence);
    }

    /// The stage of the process that is at this turn.
    pub(super) fn stage(&mut self, turn: TurnId) -> Option<&mut Stage> {
        let process = self.processes.iter_mut().find(|process| process.turn == turn);
        process.map(|process| &mut process.stage)
    }

    /// Returns whether the reply to this request is still to come.
    pub(super) fn is_awaited(&self, turn: TurnId, second: bool) -> bool {
        self.processes.iter().any(|process| {
            let is_awaited = |stage: &Stage| matches!(stage, Stage::Asking(asking) if asking.repeated == second && asking.reply.is_none());
            process.turn == turn && is_awaited(&process.stage)
        })
    }

    /// Returns whether the reply to this renewal is still to come.
    pub(super) fn is_renewal_awaited(&self, turn: TurnId, sent: Tick) -> bool {
        self.processes.iter().any(|process| {
            let renewal = match &process.stage {
                Stage::Holding(hold) => hold.renewal.as_ref(),
                _ => None,
            };
            process.turn == turn
                && renewal.is_some_and(|renewal| renewal.sent == sent && renewal.reply.is_none())
        })
    }

    /// Returns whether anything still refers to this turn.
    pub(super) fn is_named(&self, turn: TurnId) -> bool {
        let replaces =
            |stage: &Stage| matches!(stage, Stage::Waiting { replace: Some(other), .. } if *other == turn);
        self.standing.is_some_and(|(owner, _)| owner == turn)
            || self.letters.iter().any(|letter| letter.turn() == turn || letter.replaces() == Some(turn))
            || self.processes.iter().any(|process| process.turn == turn || replaces(&process.stage))
    }

    pub(super) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.processes.iter().filter_map(|process| match &process.stage {
            Stage::Holding(hold) => Some(hold),
            _ => None,
        })
    }

    /// The processes that believe that they hold the lock.
    pub(super) fn believers(&self) -> impl Iterator<Item = &Hold> {
        self.holds().filter(|hold| hold.is_held(tick(self.time)))
    }

    /// Returns whether a turn is like an earlier one in all but its number: both requests are still on their way.
    pub(super) fn has_twin(&self, turn: TurnId) -> bool {
        let untouched = |process: &&Process| match &process.stage {
            Stage::Asking(asking) => {
                !asking.repeated
                    && self
                        .letters
                        .iter()
                        .any(|letter| matches!(letter, Letter::Acquire { turn, .. } if *turn == process.turn))
            }
            _ => false,
        };
        let mut untouched = self.processes.iter().filter(untouched);
        let Some(this) = untouched.clone().find(|process| process.turn == turn) else { return false };
        untouched.any(|other| other.turn < turn && other.stage == this.stage)
    }
}
