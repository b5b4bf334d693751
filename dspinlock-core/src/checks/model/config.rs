//! What a check covers: the lock, how much may happen to it, and which protection is left out.

use super::world::TurnId;
use crate::clock::{ServerTime, Tick};
use crate::engine::spin::{Policy, Spin};
use crate::format::key::Key;
use crate::format::record::Tag;
use crate::format::scheme::{Names, Scheme, StandardScheme, Turn};
use crate::options::Options;
use std::time::Duration;

/// One step of the model's time. Coarse, so that what the library does within milliseconds happens between two steps.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long a caller waits for a lock that is held: that it gives up is an event of its own.
pub(super) const WAIT: Duration = Duration::MAX;

/// The server's clock at the beginning, in ticks.
const START: u64 = 1_000;

/// The lock's own times, in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) lease: u32,
    /// How long a call may take: the server refuses what comes later.
    pub(super) patience: u32,
    pub(super) max_block: u32,
}

/// How much may happen, each in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    /// How far the time goes.
    pub(super) ticks: u8,
    /// Requests for the lock, each with a tag of its own.
    pub(super) requests: u8,
    /// Requests that the client sends a second time.
    pub(super) resends: u8,
    /// Callers that give up without a reply, by a timeout or because their future was dropped.
    pub(super) cancels: u8,
    pub(super) renewals: u8,
    pub(super) handoffs: u8,
    pub(super) crashes: u8,
    /// How often the server loses all keys, as by a restart.
    pub(super) losses: u8,
    /// Whether a release leaves COMPUTED behind, which the next caller replaces by what it saw.
    pub(super) computed: bool,
}

/// A protection that the model leaves out, to show that the checker would miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A release takes away whatever stands there.
    NoTags,
    /// The server takes requests however late they come.
    NoNotAfter,
    /// The compensation is not repeated once the server refuses the request.
    AbandonOnce,
    /// A holder counts its lease from the reply.
    DeadlineFromReply,
    /// The fence is a counter that does not look at the time.
    BareCounter,
    /// Who has handed the lock on can still release it.
    NoEpochs,
    /// Tokens are handed on that nobody has reserved.
    NoReserve,
    /// A renewal that is confirmed after the lease counts.
    LateRenewal,
    /// A record is replaced without a look at what it is now.
    ReplaceAnything,
    /// A take-back does not wait for the answer to the release of its turn.
    EarlyTakeBack,
}

/// How many processes there are.
pub(super) const PROCESSES: usize = 3;

/// The protocol, as it is checked.
#[derive(Debug)]
pub(super) struct Protocol {
    pub(super) bounds: Bounds,
    flaw: Option<Flaw>,
    pub(super) options: Options,
    pub(super) patience: Duration,
    pub(super) names: Names,
    /// By turn.
    tags: Vec<Tag>,
}

impl Protocol {
    pub(super) fn new(times: Times, bounds: Bounds, flaw: Option<Flaw>) -> Self {
        let scheme = StandardScheme::default();
        let names =
            Names::derive(&scheme, Some("model"), &Key::new(&1_u8)).expect("the standard names are valid");
        let tag = |turn: u8| {
            let turn =
                Turn { id: turn.to_string(), owner: "model/1".to_owned(), timestamp: server(0).to_string() };
            Tag::new(scheme.tag(&turn), &names.separator)
        };
        let tags = (0..bounds.requests).map(tag).collect();
        let options = Options::new()
            .with_lease(TICK * times.lease)
            .with_max_block(TICK * times.max_block)
            .with_sleep(TICK)
            .with_expire(bounds.computed.then_some(2 * TICK));
        Self { bounds, flaw, options, patience: TICK * times.patience, names, tags }
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(super) fn tag(&self, turn: TurnId) -> &Tag {
        &self.tags[usize::from(turn.0)]
    }

    /// A caller that has just come. The moment does not matter to one who never tires.
    pub(super) fn spin(&self) -> Spin {
        Spin::new(Policy::WAIT, &self.options, WAIT, tick(0))
    }

    /// How many may be handed the lock in one turn.
    pub(super) fn handoffs(&self) -> u32 {
        u32::from(self.bounds.handoffs)
    }
}

/// The steady clock after so many steps.
pub(super) fn tick(time: u8) -> Tick {
    Tick::from_millis(0) + TICK * u32::from(time)
}

/// The server's clock after so many steps.
pub(super) fn server(time: u8) -> ServerTime {
    ServerTime(START * 1_000_000) + TICK * u32::from(time)
}
