//! The clock of one server, as far as it is known.

use crate::clock::{ServerClock, ServerTime, Tick};
use crate::error::Error;
use crate::store::last_failure::LastFailure;
use tokio::sync::Mutex;

/// An estimate of a server's time. Tokens and `not_after` are in the time of the server that grants, and no two servers share
/// a clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    estimate: ServerClock,
    /// Locked by the one caller that asks for the time.
    pub(super) asking: Mutex<LastFailure<Error>>,
}

impl Clock {
    /// The server's time at `tick`, if it is known.
    pub(crate) fn at(&self, tick: Tick) -> Option<ServerTime> {
        self.estimate.at(tick)
    }

    /// The earliest that the server's time can be at `tick`, if it is known.
    pub(crate) fn at_least(&self, tick: Tick) -> Option<ServerTime> {
        self.estimate.at_least(tick)
    }

    /// Takes in that it is the clock of another server from now on.
    #[cfg(feature = "redis")]
    pub(crate) fn forget(&self) {
        self.estimate.forget();
    }

    /// Takes in the server's time, if a reply has it, to a request that was sent at `sent`.
    pub(crate) fn learn(&self, now: Option<ServerTime>, sent: Tick) {
        if let Some(now) = now {
            self.estimate.learn(now, sent, Tick::now());
        }
    }
}
