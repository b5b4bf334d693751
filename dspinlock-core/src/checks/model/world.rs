//! All there is at one moment of the model.

use super::config::{Bounds, tick};
use super::process::{Hold, Process, Stage};
use super::server::Letter;
use crate::clock::Tick;
use crate::format::record::State;
use crate::store::memory::Entries;

/// One turn: a request with a tag of its own, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TurnId(pub(super) u8);

impl TurnId {
    /// Whose record this is.
    pub(super) fn of(raw: &[u8]) -> Self {
        Self(raw[0] - b'0')
    }
}

/// What has become of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Its caller asks, or holds.
    Open,
    /// On its way back: the server has not answered.
    Ending,
    /// Given back, and the server has said so.
    Over,
    /// Its caller was told "no", or an error, or has gone.
    Refused,
    /// Refused, and what it had taken all the same was given back just now.
    TakenBack,
    /// Its process has crashed.
    Crashed,
    /// Nothing is left of it, and its number is free for another one.
    Forgotten,
}

/// All there is at one moment.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct World {
    pub(super) time: u8,
    pub(super) entries: Entries,
    /// Whose record that is.
    pub(super) standing: Option<(TurnId, State)>,
    /// On their way to the server.
    pub(super) letters: Vec<Letter>,
    /// Those that are at something; an idle one is like any other.
    pub(super) processes: Vec<Process>,
    pub(super) fates: Vec<Fate>,
    /// What may still happen.
    pub(super) left: Bounds,
    /// The highest fencing token that was given or reserved.
    pub(super) top: Option<u64>,
    /// The highest that a holder has entered with: what a register that checks tokens has accepted.
    pub(super) entered: u64,
    pub(super) breach: Option<Breach>,
}

/// What should never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Breach {
    /// A token was given that is not higher than all before.
    Token,
    /// A release or its like has changed the record of another turn.
    Foreign,
    /// A turn was taken back while its holder's release was on its way, which then found nothing.
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

    /// Whether the reply to this request is still to come.
    pub(super) fn is_awaited(&self, turn: TurnId, second: bool) -> bool {
        self.processes.iter().any(|process| {
            let is_awaited = |stage: &Stage| matches!(stage, Stage::Asking(asking) if asking.repeated == second && asking.reply.is_none());
            process.turn == turn && is_awaited(&process.stage)
        })
    }

    /// Whether the reply to this renewal is still to come.
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

    /// Whether anything still speaks of this turn.
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

    /// Those who believe that they hold the lock.
    pub(super) fn believers(&self) -> impl Iterator<Item = &Hold> {
        self.holds().filter(|hold| hold.is_held(tick(self.time)))
    }

    /// Whether a turn is like an earlier one in all but its number: nothing has come of either request yet.
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
