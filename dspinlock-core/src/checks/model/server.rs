//! The server: the operations of the memory store, and the requests on their way.

use super::config::{Flaw, Protocol, server, tick};
use super::process::Stage;
use super::world::{Breach, Fate, TurnId, World};
use crate::clock::{ServerTime, Tick};
use crate::format::record::{State, Tag};
use crate::format::scheme::Names;
use crate::store::memory::Now;
use crate::store::{Abandon, Acquire, Acquired, Found, Release, Renew, RenewOne, Replace};
use std::time::Duration;

/// A request on its way. It may take any time; one that is never delivered is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Letter {
    /// Only the reply to the second of two copies counts: the connection of the first one is gone.
    Acquire {
        turn: TurnId,
        second: bool,
        not_after: ServerTime,
        replace: Option<TurnId>,
    },
    Renew {
        turn: TurnId,
        sent: Tick,
        life: Duration,
    },
    /// Sent again if the reply is lost.
    Release {
        turn: TurnId,
        again: bool,
    },
    /// Sent at `from` or later.
    Abandon {
        turn: TurnId,
        from: Tick,
    },
    /// Sent at `from` or later, if the turn is being given back by then, and after the answer to that.
    TakeBack {
        turn: TurnId,
        from: Tick,
    },
}

impl Letter {
    pub(super) fn turn(&self) -> TurnId {
        match *self {
            Self::Acquire { turn, .. }
            | Self::Renew { turn, .. }
            | Self::Release { turn, .. }
            | Self::Abandon { turn, .. }
            | Self::TakeBack { turn, .. } => turn,
        }
    }

    /// Returns whether it may arrive now.
    pub(super) fn is_sent(&self, now: Tick) -> bool {
        match *self {
            Self::Abandon { from, .. } | Self::TakeBack { from, .. } => from <= now,
            _ => true,
        }
    }

    /// Returns whether a lease has passed since it may arrive.
    pub(super) fn is_late(&self, now: Tick, lease: Duration) -> bool {
        match *self {
            Self::Abandon { from, .. } | Self::TakeBack { from, .. } => from + lease < now,
            _ => false,
        }
    }

    /// Whose COMPUTED record it may replace.
    pub(super) fn replaces(&self) -> Option<TurnId> {
        match *self {
            Self::Acquire { replace, .. } => replace,
            _ => None,
        }
    }

    /// Returns whether it gives the lock back.
    pub(super) fn gives_back(&self) -> bool {
        matches!(self, Self::Release { .. } | Self::Abandon { .. } | Self::TakeBack { .. })
    }
}

impl Protocol {
    /// The record at the key.
    fn look(&self, world: &mut World) -> Option<(TurnId, State)> {
        let now = now(world);
        match world.entries.read(&self.names, now) {
            Found::Held { raw, .. } if raw.ends_with(b"1") => Some((TurnId::of(&raw), State::Computed)),
            Found::Held { raw, .. } => Some((TurnId::of(&raw), State::Blocked)),
            Found::Free | Found::WrongType(_) => None,
        }
    }

    /// A request arrives, and its reply sets out.
    pub(super) fn deliver(&self, world: &mut World, letter: Letter) {
        match letter {
            Letter::Acquire { turn, second, not_after, replace } => {
                let mut reply = self.acquire(world, turn, not_after, replace);
                match &mut reply {
                    Acquired::Granted { fence, .. } => self.check_token(world, *fence),
                    // How long a caller sleeps does not matter: it may wake up at any time.
                    Acquired::Held { remaining, now, .. } => (*remaining, *now) = (None, server(0)),
                    _ => {}
                }
                if let Some(Stage::Asking(asking)) = world.stage(turn)
                    && asking.repeated == second
                {
                    asking.reply = Some(reply);
                }
            }
            Letter::Renew { turn, sent, life } => {
                let tag = self.tag(turn);
                let one = RenewOne { names: &self.names, tag, life };
                let now = now(world);
                let renewed = world.entries.renew(&Renew(vec![one]), now)[0];
                if let Some(Stage::Holding(hold)) = world.stage(turn)
                    && let Some(renewal) = hold.renewal.as_mut().filter(|renewal| renewal.sent == sent)
                {
                    renewal.reply = Some(renewed);
                }
            }
            Letter::Release { turn, again } => {
                self.release(world, turn);
                world.answer(turn);
                if again && self.look(world) != world.standing {
                    world.letters.push(Letter::Release { turn, again: false });
                }
            }
            Letter::Abandon { turn, .. } => {
                self.abandon(world, turn);
                world.answer(turn);
            }
            Letter::TakeBack { turn, .. } => {
                if world.fate(turn) != Fate::Open {
                    let is_first = Letter::Release { turn, again: true };
                    let finds_nothing =
                        world.letters.contains(&is_first) && world.standing == Some((turn, State::Blocked));
                    world.breach = finds_nothing.then_some(Breach::Overtaken).or(world.breach);
                    self.abandon(world, turn);
                }
            }
        }
        let other = world.standing.filter(|(owner, _)| *owner != letter.turn());
        let is_acquire = matches!(letter, Letter::Acquire { .. });
        if other.is_some() && !is_acquire && self.look(world) != other {
            world.breach = Some(Breach::Foreign);
        }
    }

    /// Checks that a token is higher than all before of its sequence. A repeat has one of its own.
    fn check_token(&self, world: &mut World, fence: u64) {
        if Some(fence) <= world.top {
            world.breach = Some(Breach::Token);
        }
        world.top = world.top.max(Some(fence + u64::from(self.handoffs())));
    }

    /// A caller takes another lock of the same sequence, and gives it back.
    pub(super) fn use_other_lock(&self, world: &mut World) {
        let (names, tag, now) = (self.names.of_the_mark(), self.tag(TurnId(0)), now(world));
        let reply = world.entries.acquire(&self.request(&names, tag, now.server, None), now);
        if let Acquired::Granted { fence, .. } = reply {
            self.check_token(world, fence);
        }
        world.entries.abandon(&Abandon { names: &names, tag }, now);
    }

    fn request<'a>(
        &self,
        names: &'a Names,
        tag: &'a Tag,
        not_after: ServerTime,
        replace: Option<&'a Replace>,
    ) -> Acquire<'a> {
        Acquire {
            names,
            tag,
            lease: self.options.first_lease(),
            not_after,
            clock: None,
            // As with a custom scheme: a COMPUTED record is replaced only by a caller that has seen it.
            relock: false,
            replace,
            reserve: if self.has(Flaw::NoReserve) { 0 } else { self.handoffs() },
            waiting: None,
            fetch: None,
            replicas: None,
        }
    }

    fn acquire(
        &self,
        world: &mut World,
        turn: TurnId,
        not_after: ServerTime,
        replace: Option<TurnId>,
    ) -> Acquired {
        let mut now = now(world);
        let not_after = if self.has(Flaw::NoNotAfter) { ServerTime(u64::MAX) } else { not_after };
        if self.has(Flaw::BareCounter) && now.server <= not_after {
            now.server = ServerTime(0);
        }
        let seen = match (replace, world.standing) {
            (Some(_), Some((owner, state))) if self.has(Flaw::ReplaceAnything) => Some((owner, state)),
            (turn, _) => turn.map(|turn| (turn, State::Computed)),
        };
        let seen = seen.map(|(turn, state)| self.tag(turn).record(state).into_bytes());
        let replace = seen.map(|seen| Replace { seen, life_at_most: None });
        let request = self.request(&self.names, self.tag(turn), not_after, replace.as_ref());
        world.entries.acquire(&request, now)
    }

    fn release(&self, world: &mut World, turn: TurnId) {
        let named = match world.standing {
            Some((owner, _)) if self.has(Flaw::NoTags) => owner,
            _ => turn,
        };
        let request = Release {
            names: &self.names,
            tag: self.tag(named),
            expire: self.options.expire,
            caller: Some("model"),
            value: None,
        };
        let now = now(world);
        world.entries.release(&request, now);
    }

    fn abandon(&self, world: &mut World, turn: TurnId) {
        let now = now(world);
        let was_there = world.entries.abandon(&Abandon { names: &self.names, tag: self.tag(turn) }, now);
        if was_there && world.fate(turn) == Fate::Refused {
            world.set_fate(turn, Fate::TakenBack);
        }
    }

    /// Brings the world into its plainest form: without expired records, and without letters that have no effect.
    pub(super) fn tidy(&self, world: &mut World) {
        world.entries.sweep(tick(world.time));
        world.entries.take_changed();
        world.standing = self.look(world);
        let stands = |world: &World, turn| world.standing == Some((turn, State::Blocked));
        let server = server(world.time);
        let mut letters = std::mem::take(&mut world.letters);
        letters.retain(|letter| match *letter {
            Letter::Acquire { turn, second, not_after, .. } => {
                let in_time = server <= not_after || self.has(Flaw::NoNotAfter);
                in_time || stands(world, turn) || world.is_awaited(turn, second)
            }
            _ => true,
        });
        let is_acquire = |letter: &Letter| matches!(letter, Letter::Acquire { .. });
        let may_stand: Vec<TurnId> =
            letters.iter().filter(|letter| is_acquire(letter)).map(Letter::turn).collect();
        letters.retain(|letter| {
            let turn = letter.turn();
            let has_object = stands(world, turn) || may_stand.contains(&turn) || self.has(Flaw::NoTags);
            has_object
                || matches!(*letter, Letter::Renew { sent, .. } if world.is_renewal_awaited(turn, sent))
        });
        letters.sort_unstable();
        world.letters = letters;
        for turn in (0..).map(TurnId).take(world.fates.len()) {
            let is_open = matches!(world.fate(turn), Fate::Open | Fate::TakenBack);
            if !is_open && !world.is_named(turn) {
                world.set_fate(turn, Fate::Forgotten);
            }
        }
        let fresh = self.spin();
        world.processes.retain(
            |process| !matches!(&process.stage, Stage::Waiting { spin, replace: None } if *spin == fresh),
        );
        world.processes.sort_by_key(|process| process.turn);
    }
}

fn now(world: &World) -> Now {
    Now { tick: tick(world.time), server: server(world.time) }
}
