//! The instruments, and what an observer does with them.

use std::sync::Arc;
use std::time::Duration;

/// What takes measurements: one for each feature.
pub(super) trait Observer: Sync {
    /// Describes the instruments, before the first measurement.
    fn announce(&self);

    /// Notes how long something took.
    fn took(&self, what: Histogram, time: Duration, attributes: Attributes<'_>);

    /// Notes that there are this many more, or fewer.
    fn change(&self, what: UpDownCounter, by: i32, attributes: Attributes<'_>);

    /// Counts one more.
    fn count(&self, what: Counter, attributes: Attributes<'_>);
}

/// What a measurement is about.
#[derive(Clone, Debug, Default)]
pub(crate) enum Subject {
    /// An annotated function.
    Function(&'static str),
    /// A lock in code.
    Namespace(Arc<str>),
    /// A lock in code without a namespace.
    #[default]
    Bare,
    /// What the library does for itself.
    Unobserved,
}

/// The attributes of a measurement. The key is none of them: each of its values would be a time series of its own.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub(super) subject: &'a Subject,
    /// The name of an attribute, and its value.
    pub(super) outcome: Option<(&'static str, &'static str)>,
    /// The kind of an error.
    pub(super) error: Option<&'static str>,
}

/// Makes the table of one kind of instruments.
macro_rules! instruments {
    ($(#[$doc:meta])+ $kind:ident { $($variant:ident = $name:literal, $what:literal;)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub(super) enum $kind {
            $($variant,)+
        }

        impl $kind {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            pub(super) const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)+
                }
            }
        }
    };
}

instruments! {
    /// Times, in seconds.
    Histogram {
        Acquire = "dspinlock.acquire.duration", "How long it took to get a lock, or an answer in its place";
        Hold = "dspinlock.hold.duration", "How long a lock was held";
        Compute = "dspinlock.compute.duration", "How long the computation of a cached value took";
    }
}

instruments! {
    /// Numbers that rise and fall.
    UpDownCounter {
        Held = "dspinlock.held", "Locks that this process holds";
        Waiting = "dspinlock.waiting", "Callers of this process that wait for a lock or a value";
    }
}

instruments! {
    /// Numbers that rise.
    Counter {
        CacheRequests = "dspinlock.cache.requests", "Calls that got a cached value, by where it came from";
        Renewals = "dspinlock.renewals", "Renewals of leases";
    }
}
