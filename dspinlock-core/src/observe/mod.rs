//! What is measured: how long locks take to come and are held, how long values take to compute, who waits, and where values
//! come from.
//!
//! The engine holds the types of `on`, which pass each measurement to every observer that a feature brings. Without a feature
//! those of `off` stand in their place: they have no size, read no clock, and do nothing.

#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
mod instruments;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(any(feature = "metrics", feature = "opentelemetry")))]
mod off;
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
mod on;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;

use crate::error::ErrorKind;

#[cfg(not(any(feature = "metrics", feature = "opentelemetry")))]
pub(crate) use off::{Acquiring, Computing, Holding, Subject, Waiting, announce, cache_request, renewal};
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
pub(crate) use on::{Acquiring, Computing, Holding, Subject, Waiting, announce, cache_request, renewal};

/// Makes an enum whose variants are the values of one attribute.
macro_rules! attribute {
    ($(#[$doc:meta])+ $name:ident { $($(#[$of:meta])+ $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$of])+ $variant,)+
        }

        #[cfg(any(feature = "metrics", feature = "opentelemetry"))]
        impl $name {
            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

attribute! {
    /// How an attempt at a lock ended, other than in an error.
    Acquired {
        /// The caller has the lock.
        Lock = "acquired",
        /// The work is done already, or the value has come.
        Computed = "computed",
        /// Somebody else holds the lock, and the caller does not wait.
        TurnedAway = "turned_away",
    }
}

attribute! {
    /// How a holding ended.
    Held {
        /// The work was done.
        Released = "released",
        /// The work was not done, or nobody knows.
        Abandoned = "abandoned",
        /// The lock was somebody else's, or nobody's, before it was given back.
        Lost = "lost",
    }
}

attribute! {
    /// What came of a computation.
    Computed {
        /// A value, or work that is done.
        Done = "done",
        /// A failure.
        Failed = "failed",
    }
}

attribute! {
    /// Where a cached call got its value.
    Layer {
        /// From the copy in this process.
        Local = "local",
        /// From the server.
        Remote = "remote",
        /// From another caller of this process.
        Flight = "flight",
        /// From its own computation.
        Miss = "miss",
        /// From an earlier computation, since this one failed.
        Stale = "stale",
    }
}

attribute! {
    /// What came of one renewal of a lease.
    Renewal {
        /// The lease is longer.
        Renewed = "renewed",
        /// Nobody knows, and it is tried again.
        Failed = "failed",
        /// The lock is lost.
        Lost = "lost",
    }
}

/// The end of an attempt: with an answer, or in an error of this kind.
pub(crate) type Attempted = Result<Acquired, ErrorKind>;
