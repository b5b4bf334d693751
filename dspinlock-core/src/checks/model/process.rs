//! A process: it decides by the library's spin and lease.

use super::config::{Flaw, Protocol, server, tick};
use super::server::Letter;
use super::world::{Fate, TurnId, World};
use crate::clock::{ServerTime, Tick};
use crate::engine::lease::Lease;
use crate::engine::pending::late_from;
use crate::engine::spin::{Moment, Spin, Step};
use crate::store::{Acquired, Notify, Replace};
use std::time::Duration;

/// A process with a turn under way. It does one thing after the other.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Process {
    /// Its latest turn.
    pub(super) turn: TurnId,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) enum Stage {
    Asking(Asking),
    /// It may ask again at any moment, since a wake-up may come.
    Waiting {
        spin: Spin,
        replace: Option<TurnId>,
    },
    Holding(Hold),
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Asking {
    spin: Spin,
    pub(super) sent: Tick,
    replace: Option<TurnId>,
    /// Whether the request was sent again after the connection broke.
    pub(super) repeated: bool,
    /// The reply, on its way back.
    pub(super) reply: Option<Acquired>,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Hold {
    pub(super) fence: u64,
    pub(super) lease: Lease,
    /// How often the lock was handed off in this turn.
    pub(super) epoch: u32,
    /// Whether the server has said that the record is gone.
    pub(super) lost: bool,
    pub(super) renewal: Option<Renewal>,
    pub(super) renewed: bool,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(super) struct Renewal {
    pub(super) sent: Tick,
    life: Duration,
    pub(super) reply: Option<bool>,
}

impl Hold {
    /// As [`Grant::is_held`](crate::engine::grant::Grant::is_held).
    pub(super) fn is_held(&self, now: Tick) -> bool {
        !self.lost && self.lease.is_valid(now)
    }
}

/// The acts of a process, as the drivers of the library do them.
impl Protocol {
    /// Sends a request with a tag of its own.
    pub(super) fn ask(&self, world: &mut World, spin: Spin, replace: Option<TurnId>) {
        let turn = world.new_turn();
        let sent = tick(world.time);
        let asking = Asking { spin, sent, replace, repeated: false, reply: None };
        world.processes.push(Process { turn, stage: Stage::Asking(asking) });
        world.letters.push(Letter::Acquire { turn, second: false, not_after: self.not_after(sent), replace });
    }

    /// The next request of a caller that has been waiting.
    pub(super) fn ask_again(&self, world: &mut World, index: usize) {
        if let Stage::Waiting { spin, replace } = world.processes.remove(index).stage {
            self.ask(world, spin, replace);
        }
    }

    /// The connection breaks, and the same request is sent on another one.
    pub(super) fn resend(&self, world: &mut World, index: usize) {
        let Process { turn, stage: Stage::Asking(asking) } = &mut world.processes[index] else { return };
        (asking.repeated, asking.reply) = (true, None);
        let (turn, replace) = (*turn, asking.replace);
        let not_after = self.not_after(asking.sent);
        world.letters.push(Letter::Acquire { turn, second: true, not_after, replace });
    }

    /// The caller gives up without a reply, because of a timeout or because its future was dropped.
    pub(super) fn give_up(&self, world: &mut World, index: usize) {
        let process = world.processes.remove(index);
        if let Stage::Asking(asking) = process.stage {
            self.take_back(world, process.turn, asking.sent);
        }
    }

    /// Compensates a request whose outcome is unknown: now, and again when the server refuses it.
    fn take_back(&self, world: &mut World, turn: TurnId, sent: Tick) {
        world.set_fate(turn, Fate::Refused);
        world.letters.push(Letter::Abandon { turn, from: tick(world.time) });
        if !self.has(Flaw::AbandonOnce) {
            world.letters.push(Letter::Abandon { turn, from: self.refused(world, sent) });
        }
    }

    /// Takes in the reply to a request, as [`Attempt`](crate::engine::attempt::Attempt) does.
    pub(super) fn hear(&self, world: &mut World, index: usize) {
        let now = tick(world.time);
        let Process { turn, stage } = world.processes.remove(index);
        let Stage::Asking(Asking { mut spin, sent, repeated, reply: Some(reply), .. }) = stage else {
            return;
        };
        let from = if self.has(Flaw::DeadlineFromReply) { now } else { sent };
        let lease = Lease::granted(self.options.lease, self.options.max_block, from);
        if matches!(reply, Acquired::Granted { .. }) && !lease.is_valid(now) {
            if spin.too_slow(now).is_ok() {
                world.processes.push(Process { turn, stage: Stage::Waiting { spin, replace: None } });
            }
            self.take_back(world, turn, sent);
            return;
        }
        let moment = Moment { sent, now, jitter: Duration::ZERO, notify: Notify::Never };
        let stage = match spin.next(reply, &self.names.separator, moment) {
            Ok(Step::Enter { fence }) => {
                let hold = Hold { fence, lease, epoch: 0, lost: false, renewal: None, renewed: false };
                world.processes.push(Process { turn, stage: Stage::Holding(hold) });
                world.enter(fence);
                if repeated {
                    world.letters.push(Letter::TakeBack { turn, from: self.refused(world, sent) });
                }
                return;
            }
            Ok(Step::Again { replace, .. }) => {
                let replace = replace.map(|Replace { seen, .. }| TurnId::of(&seen));
                Some(Stage::Waiting { spin, replace })
            }
            // All other steps and refusals end the turn without the lock.
            Ok(_) | Err(_) => None,
        };
        world.processes.extend(stage.map(|stage| Process { turn, stage }));
        if repeated {
            self.take_back(world, turn, sent);
        } else {
            world.set_fate(turn, Fate::Refused);
        }
    }

    /// Sends a renewal, as the renewer does.
    pub(super) fn renew(world: &mut World, index: usize) {
        let now = tick(world.time);
        let Process { turn, stage: Stage::Holding(hold) } = &mut world.processes[index] else { return };
        if let Some(life) = hold.lease.renewal(now) {
            hold.renewal = Some(Renewal { sent: now, life, reply: None });
            world.letters.push(Letter::Renew { turn: *turn, sent: now, life });
        }
    }

    /// Takes in the reply to a renewal, or its absence.
    pub(super) fn hear_renewal(&self, world: &mut World, index: usize, comes: bool) {
        let now = tick(world.time);
        let Stage::Holding(hold) = &mut world.processes[index].stage else { return };
        let Some(renewal) = hold.renewal.take() else { return };
        let heard = if self.has(Flaw::LateRenewal) { hold.lease.renew_at() } else { now };
        match renewal.reply.filter(|_| comes) {
            Some(true) if hold.lease.renewed(renewal.life, renewal.sent, heard) => hold.renewed = true,
            Some(_) => hold.lost = true,
            None => hold.lost |= !hold.lease.is_valid(now),
        }
    }

    /// Gives the lock back, whether it is still held or not.
    pub(super) fn end(world: &mut World, index: usize, abandon: bool) {
        let turn = world.processes.remove(index).turn;
        world.set_fate(turn, Fate::Ending);
        let from = tick(world.time);
        let release = Letter::Release { turn, again: true };
        world.letters.push(if abandon { Letter::Abandon { turn, from } } else { release });
    }

    /// Hands the lock off to another caller of the process, as [`Hold`](crate::engine::hold::Hold) does.
    pub(super) fn hand_off(&self, world: &mut World, index: usize) {
        let now = tick(world.time);
        let Process { turn, stage: Stage::Holding(hold) } = &mut world.processes[index] else { return };
        let lease = hold.lease.handed_off(self.options.max_block, now);
        *hold = Hold { fence: hold.fence + 1, lease, epoch: hold.epoch + 1, renewal: None, ..*hold };
        let (turn, fence) = (*turn, hold.fence);
        world.enter(fence);
        if self.has(Flaw::NoEpochs) {
            world.letters.push(Letter::Release { turn, again: false });
        }
    }

    /// The latest moment at which the server takes a request that was sent at `sent`.
    fn not_after(&self, sent: Tick) -> ServerTime {
        server(0) + (sent - tick(0)) + self.patience
    }

    /// The moment from which the server refuses that request.
    fn refused(&self, world: &World, sent: Tick) -> Tick {
        late_from(tick(world.time), Some(server(world.time)), self.not_after(sent), self.patience)
    }
}
