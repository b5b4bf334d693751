//! A model of the protocol, checked exhaustively: every order of events within the bounds, with three processes and one
//! key. Another lock shares its sequence of fencing tokens, and is taken and given back in one event.
//!
//! The model drives the library's own code. The server is the [`Entries`] of the memory store with its operations, at a
//! given time. A process decides by [`Spin`](crate::engine::spin::Spin) and [`Lease`](crate::engine::lease::Lease), and
//! takes back a request by [`late_from`](crate::engine::pending::late_from). The model adds what their drivers
//! (`attempt`, `hold`, `renewer`, `pending`) do between them, in a few lines each, and all that can go wrong: a request
//! or its reply may be late, arrive out of order, or be lost; a client may send a request twice, or give up; a process
//! may stop for any time, or die; the server may lose all keys.
//!
//! | property | |
//! | --- | --- |
//! | P1 | at most one process believes that it holds the lock |
//! | P2 | fencing tokens rise with every grant of either lock, and a process that believes that it holds the lock has the highest |
//! | P3 | no release, abandon or renewal changes the record of another turn |
//! | P6 | a turn that was refused or is over leaves no record behind, unless a request to give it back is on its way |
//! | P10 | no release finds its turn taken back |
//!
//! The model leaves out values and their keys, records of Python, and `stand_back`, none of which decides who holds the
//! lock; clocks that run at different speeds; and how long a caller sleeps, since a wake-up may come at any time. It
//! lets a lock be handed off for as long as its lease is fresh, and not only for ten milliseconds.
//!
//! The bounds are in [`tests`]: a lease of two ticks, three ticks of time, three requests with a tag each, and in each
//! check one event of each of two to four kinds of trouble. About 800,000 states are checked, in less than half a
//! minute of one processor. `DSPINLOCK_MODEL_TICKS=4` goes further; each tick takes about as long as all before it.
//!
//! [Flaws](config::Flaw) show that the checker notices: each is a protection that the model leaves out.

mod config;
mod process;
mod properties;
mod server;
mod tests;
mod world;

use crate::format::record::State;
use crate::store::memory::Entries;
use config::{Flaw, PROCESSES, Protocol, tick};
use process::Stage;
use server::Letter;
use stateright::{Model, Property};
use world::{Fate, World};

/// An event. The number is the index of a process or of a letter.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Tick,
    Ask,
    AskAgain(usize),
    Resend(usize),
    GiveUp(usize),
    Hear(usize),
    Renew(usize),
    HearRenewal {
        process: usize,
        comes: bool,
    },
    End {
        process: usize,
        abandon: bool,
    },
    HandOff(usize),
    /// A process dies; another one starts in its place.
    Crash(usize),
    Deliver(usize),
    /// The server loses all keys, and is back a tick later.
    LoseKeys,
    /// A turn at the other lock.
    OtherLock,
}

impl Model for Protocol {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            time: 0,
            entries: Entries::default(),
            standing: None,
            letters: Vec::new(),
            processes: Vec::new(),
            fates: Vec::new(),
            left: self.bounds,
            top: None,
            entered: 0,
            breach: None,
        }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        let (now, left) = (tick(world.time), &world.left);
        if left.requests > 0 && world.processes.len() < PROCESSES {
            events.push(Event::Ask);
        }
        for (index, process) in world.processes.iter().enumerate() {
            if world.has_twin(process.turn) {
                continue;
            }
            match &process.stage {
                Stage::Waiting { .. } => {
                    if left.requests > 0 {
                        events.push(Event::AskAgain(index));
                    }
                    continue;
                }
                Stage::Asking(asking) => {
                    if left.cancels > 0 {
                        events.push(Event::GiveUp(index));
                    }
                    if asking.reply.is_some() {
                        events.push(Event::Hear(index));
                    }
                    if left.resends > 0 && !asking.repeated {
                        events.push(Event::Resend(index));
                    }
                }
                Stage::Holding(hold) => {
                    events.push(Event::End { process: index, abandon: false });
                    if left.computed {
                        events.push(Event::End { process: index, abandon: true });
                    }
                    if left.handoffs > 0 && hold.is_held(now) && hold.lease.is_fresh(now) {
                        events.push(Event::HandOff(index));
                    }
                    match &hold.renewal {
                        Some(renewal) => {
                            events.push(Event::HearRenewal { process: index, comes: false });
                            if renewal.reply.is_some() {
                                events.push(Event::HearRenewal { process: index, comes: true });
                            }
                        }
                        None if left.renewals > 0 && !hold.lost && hold.lease.renew_at() <= now => {
                            events.push(Event::Renew(index));
                        }
                        None => {}
                    }
                }
            }
            if left.crashes > 0 {
                events.push(Event::Crash(index));
            }
        }
        for (at, letter) in world.letters.iter().enumerate() {
            let turn = letter.turn();
            // To lose it is the same as to deliver it, if it has no effect and another one like it is on its way.
            let is_spare = letter.gives_back()
                && world.standing != Some((turn, State::Blocked))
                && world.letters[at + 1..].iter().any(|later| {
                    later.turn() == turn && later.gives_back() && !matches!(later, Letter::TakeBack { .. })
                });
            let waits = matches!(letter, Letter::TakeBack { .. })
                && world.fate(turn) == Fate::Ending
                && !self.has(Flaw::EarlyTakeBack);
            if letter.is_sent(now) && !world.has_twin(turn) && !is_spare && !waits {
                events.push(Event::Deliver(at));
            }
        }
        if left.others > 0 {
            events.push(Event::OtherLock);
        }
        if world.time < self.bounds.ticks {
            events.push(Event::Tick);
            if left.losses > 0 {
                events.push(Event::LoseKeys);
            }
        }
    }

    fn next_state(&self, world: &World, event: Event) -> Option<World> {
        let mut next = world.clone();
        for fate in &mut next.fates {
            if *fate == Fate::TakenBack {
                *fate = Fate::Refused;
            }
        }
        match event {
            Event::Tick => next.time += 1,
            Event::Ask => {
                next.left.requests -= 1;
                self.ask(&mut next, self.spin(), None);
            }
            Event::AskAgain(process) => {
                next.left.requests -= 1;
                self.ask_again(&mut next, process);
            }
            Event::Resend(process) => {
                next.left.resends -= 1;
                self.resend(&mut next, process);
            }
            Event::GiveUp(process) => {
                next.left.cancels -= 1;
                self.give_up(&mut next, process);
            }
            Event::Hear(process) => self.hear(&mut next, process),
            Event::Renew(process) => {
                next.left.renewals -= 1;
                Self::renew(&mut next, process);
            }
            Event::HearRenewal { process, comes } => self.hear_renewal(&mut next, process, comes),
            Event::End { process, abandon } => Self::end(&mut next, process, abandon),
            Event::HandOff(process) => {
                next.left.handoffs -= 1;
                self.hand_off(&mut next, process);
            }
            Event::Crash(process) => {
                next.left.crashes -= 1;
                let turn = next.processes.remove(process).turn;
                if next.fate(turn) == Fate::Open {
                    next.set_fate(turn, Fate::Crashed);
                }
            }
            Event::Deliver(at) => {
                let letter = next.letters.remove(at);
                self.deliver(&mut next, letter);
            }
            Event::LoseKeys => {
                next.left.losses -= 1;
                next.time += 1;
                next.entries = Entries::default();
            }
            Event::OtherLock => {
                next.left.others -= 1;
                self.use_other_lock(&mut next);
            }
        }
        self.tidy(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.claims()
    }
}
