//! What must hold in every state, and what must happen in some. A model that does nothing does not pass.

use super::config::{Protocol, tick};
use super::process::{Hold, Stage};
use super::server::Letter;
use super::world::{Breach, Fate, World};
use crate::format::record::State;
use stateright::Property;

pub(super) const P1: &str = "P1: at most one process believes that it holds the lock";
pub(super) const P2: &str =
    "P2: the tokens of a sequence rise with every grant, and the holder has the highest";
pub(super) const P3: &str = "P3: no turn changes the record of another";
pub(super) const P6: &str = "P6: a turn that was refused or is over is given back";
pub(super) const P10: &str = "P10: a release is not overtaken by a take-back of its own turn";

type Condition = fn(&Protocol, &World) -> bool;

fn always(name: &'static str, condition: Condition) -> Property<Protocol> {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: Condition) -> Property<Protocol> {
    Property::sometimes(name, condition)
}

impl Protocol {
    pub(super) fn claims(&self) -> Vec<Property<Self>> {
        let bounds = &self.bounds;
        let mut claims = vec![
            always(P2, |model, world| {
                let highest = |hold: &Hold| model.bounds.losses > 0 || hold.fence == world.entered;
                world.breach != Some(Breach::Token) && world.believers().all(highest)
            }),
            always(P3, |_, world| world.breach != Some(Breach::Foreign)),
            always(P10, |_, world| world.breach != Some(Breach::Overtaken)),
            always(P6, leaves_nothing),
            sometimes("a lock is granted", |_, world| world.holds().next().is_some()),
        ];
        let mut claim = |is_in: bool, property| claims.extend(is_in.then_some(property));
        // A server that has lost its keys grants the lock again. Only the tokens protect then.
        claim(bounds.losses == 0, always(P1, |_, world| world.believers().count() <= 1));
        claim(
            bounds.losses > 0,
            sometimes("two believe after a loss of keys", |_, world| world.believers().count() == 2),
        );
        claim(
            bounds.ticks >= 2,
            sometimes("a holder knows that it has expired while the next one works", |_, world| {
                world.holds().any(|hold| !hold.is_held(tick(world.time)))
                    && world.believers().next().is_some()
            }),
        );
        claim(
            bounds.cancels > 0,
            sometimes("a grant whose reply was lost is taken back", |_, world| {
                world.fates.contains(&Fate::TakenBack)
            }),
        );
        claim(
            bounds.renewals > 0,
            sometimes("a lease is renewed", |_, world| world.holds().any(|hold| hold.renewed)),
        );
        claim(
            bounds.handoffs > 0,
            sometimes("the lock is handed off", |_, world| world.believers().any(|hold| hold.epoch > 0)),
        );
        claim(
            bounds.crashes > 0,
            sometimes(
                "a crash leaves the lock behind",
                |_, world| matches!(world.standing, Some((turn, State::Blocked)) if world.fate(turn) == Fate::Crashed),
            ),
        );
        claim(
            bounds.resends > 0,
            sometimes("the second request is granted, and the first one still on its way", |_, world| {
                world.processes.iter().any(|process| {
                    let is_first = |letter: &Letter| {
                        matches!(letter, Letter::Acquire { turn, second: false, .. } if *turn == process.turn)
                    };
                    matches!(process.stage, Stage::Holding(_)) && world.letters.iter().any(is_first)
                })
            }),
        );
        claim(
            bounds.computed,
            sometimes("a COMPUTED record is about to be replaced", |_, world| {
                matches!(world.standing, Some((turn, State::Computed))
                    if world.letters.iter().any(|letter| letter.replaces() == Some(turn)))
            }),
        );
        claims
    }
}

/// Returns whether a request that gives the record back is on its way, if its turn was refused or is over.
fn leaves_nothing(model: &Protocol, world: &World) -> bool {
    let Some((turn, State::Blocked)) = world.standing else { return true };
    let mut letters = world.letters.iter().filter(|letter| letter.turn() == turn && letter.gives_back());
    match world.fate(turn) {
        Fate::Refused => letters.any(|letter| !letter.is_late(tick(world.time), model.options.lease)),
        Fate::Ending | Fate::Over => letters.next().is_some(),
        Fate::Open | Fate::TakenBack | Fate::Crashed | Fate::Forgotten => true,
    }
}
