//! The configuration of a check: the lock, the bounds, and the protection that is left out.

use super::world::TurnId;
use crate::clock::{ServerTime, Tick};
use crate::engine::spin::{Policy, Spin};
use crate::format::key::Key;
use crate::format::record::Tag;
use crate::format::scheme::{Names, Scheme, StandardScheme, Turn};
use crate::options::Options;
use std::time::Duration;

/// One step of time. What the library does within milliseconds happens between two steps.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long a caller waits for a held lock. Giving up is an event of its own.
pub(super) const WAIT: Duration = Duration::MAX;

/// The server's clock at the start, in ticks.
const START: u64 = 1_000;

/// The durations of the lock, in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) lease: u32,
    /// How long a call may take. The server refuses requests that come later.
    pub(super) patience: u32,
    pub(super) max_block: u32,
}

/// How often each event may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    /// The last moment.
    pub(super) ticks: u8,
    /// Requests for the lock. Each has a tag of its own.
    pub(super) requests: u8,
    /// Requests that the client sends a second time.
    pub(super) resends: u8,
    /// Callers that give up without a reply, because of a timeout or because their future was dropped.
    pub(super) cancels: u8,
    pub(super) renewals: u8,
    pub(super) handoffs: u8,
    pub(super) crashes: u8,
    /// Losses of all keys, as by a restart.
    pub(super) losses: u8,
    /// Turns at another lock that shares the sequence of tokens.
    pub(super) others: u8,
    /// Whether a release leaves a COMPUTED record behind. The next caller sees it, and then replaces it.
    pub(super) computed: bool,
}

/// A protection that the model leaves out, to show that the checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A release removes any record.
    NoTags,
    /// The server takes late requests.
    NoNotAfter,
    /// The compensation is not repeated once the server refuses the request.
    AbandonOnce,
    /// A holder counts its lease from the reply.
    DeadlineFromReply,
    /// The fencing token is a counter that ignores the time.
    BareCounter,
    /// A holder that has handed the lock off can still release it.
    NoEpochs,
    /// A hand-off uses a token that was not reserved.
    NoReserve,
    /// A renewal that is confirmed after the lease counts.
    LateRenewal,
    /// A record is replaced without a check that it is still the one that was seen.
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
    /// The tags, by the number of the turn.
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

    /// A new caller. Its start does not matter, since it waits without a limit.
    pub(super) fn spin(&self) -> Spin {
        Spin::new(Policy::WAIT, &self.options, WAIT, tick(0))
    }

    /// Returns how often the lock may be handed off in one turn.
    pub(super) fn handoffs(&self) -> u32 {
        u32::from(self.bounds.handoffs)
    }
}

/// The steady clock after this many steps.
pub(super) fn tick(time: u8) -> Tick {
    Tick::from_millis(0) + TICK * u32::from(time)
}

/// The server's clock after this many steps.
pub(super) fn server(time: u8) -> ServerTime {
    ServerTime(START * 1_000_000) + TICK * u32::from(time)
}
