//! The options of a lock.

mod caching;
mod limits;
mod reactions;
#[cfg(test)]
mod tests;

pub(crate) use caching::{Caching, CallId};
pub(crate) use limits::check_duration;
pub use reactions::{OnLost, OnOutage};

use crate::error::Result;
use limits::{check_limit, refused};
use std::time::Duration;

/// The most local hand-offs of a turn. Their fencing tokens run ahead of the clock by a microsecond each, and must not
/// run ahead by more than a minute.
const MAX_HANDOFFS: u32 = 60_000_000;

/// The longest `max_block` of a bare key: Python takes over a lock that looks older.
pub(crate) const BARE_MAX_BLOCK: Duration = Duration::from_secs(30 * 60);

/// How long a caller is ready to wait for a lock that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Budget {
    /// This long; zero is one attempt.
    Wait(Duration),
    /// This many times `sleep`, as py-dspinlock counts. A wake-up that loses the race uses up none of them.
    Tries(u32),
    /// As long as another caller computes the value, at most `max_block`.
    Computation,
}

/// How long a caller waits if nothing else is said, which is py-dspinlock's: ten tries with half a second in between.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// The options of a lock. The defaults are py-dspinlock's, plus a lease of ten seconds, which it does not have.
///
/// Each option has a setter, `with_…`, and a getter. A [`DSpinlock`](crate::DSpinlock) takes the same options one by
/// one.
///
/// Options are validated when a lock is used. Less than a millisecond for `sleep`, `expire`, `max_block`, `lease` or
/// the time of `replicas`, zero `tries`, and anything above [`MAX_DURATION`](Self::MAX_DURATION) are errors of kind
/// [`Config`](crate::ErrorKind::Config).
///
/// ```
/// use dspinlock::{Client, Options};
/// use std::time::Duration;
///
/// const PATIENT: Options = Options::new().with_sleep(Duration::from_millis(100)).with_wait(Duration::from_secs(60));
/// assert_eq!(PATIENT.wait(), Duration::from_secs(60));
///
/// let client = Client::memory();
/// let guard = client.lock("example").options(PATIENT).acquire_blocking()?;
/// guard.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Options {
    pub(crate) sleep: Duration,
    pub(crate) budget: Budget,
    pub(crate) expire: Option<Duration>,
    pub(crate) max_block: Duration,
    pub(crate) lease: Duration,
    pub(crate) fail_if_key_exists: bool,
    pub(crate) cached_if_computed: bool,
    pub(crate) local_handoffs: u32,
    pub(crate) replicas: Option<Replicas>,
}

/// How many replicas must confirm a grant, and within what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) within: Duration,
}

impl Default for Options {
    /// As [`Options::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The longest duration that any option takes: 365 days.
    pub const MAX_DURATION: Duration = limits::MAX_DURATION;

    /// Returns the defaults: `sleep` 500 ms, `tries` 10, `expire` 1 h, `max_block` 30 min, `lease` 10 s,
    /// `local_handoffs` 64, no `replicas`, both flags off.
    pub const fn new() -> Self {
        Self {
            sleep: Duration::from_millis(500),
            budget: Budget::Tries(10),
            expire: Some(Duration::from_secs(60 * 60)),
            max_block: Duration::from_secs(30 * 60),
            lease: Duration::from_secs(10),
            fail_if_key_exists: false,
            cached_if_computed: false,
            local_handoffs: 64,
            replicas: None,
        }
    }

    /// Sets how often a waiter looks at the key where no wake-up can reach it (py-dspinlock's `spinlock_sleep_thresh`). With
    /// wake-ups it looks when the key changes, and when the holder's lease ends.
    pub const fn with_sleep(mut self, sleep: Duration) -> Self {
        self.sleep = sleep;
        self
    }

    /// Sets how long a caller waits in all. Zero makes one attempt. Replaces [`with_tries`](Self::with_tries).
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.budget = Budget::Wait(wait);
        self
    }

    /// Sets how long a caller waits in all, as a multiple of [`sleep`](Self::with_sleep) (`max_spinlock_tries`).
    /// Replaces [`with_wait`](Self::with_wait).
    pub const fn with_tries(mut self, tries: u32) -> Self {
        self.budget = Budget::Tries(tries);
        self
    }

    /// Sets how long a released key stays COMPUTED (`expire_at_timedelta`). With `None` a release removes the key.
    pub fn with_expire(mut self, expire: impl Into<Option<Duration>>) -> Self {
        self.expire = expire.into();
        self
    }

    /// Sets the longest that a lock may be held (`max_block_time`). After that its lease is no longer renewed, and a
    /// record of Python's that is older is taken over. At most 30 minutes on bare keys, which Python may share.
    pub const fn with_max_block(mut self, max_block: Duration) -> Self {
        self.max_block = max_block;
        self
    }

    /// Sets how long a holder's record lives without renewal: the time for which a crash blocks others.
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Makes an acquisition fail with kind [`KeyExists`](crate::ErrorKind::KeyExists) if the key is held or COMPUTED
    /// (`fail_if_key_exists`).
    pub const fn with_fail_if_key_exists(mut self, fail: bool) -> Self {
        self.fail_if_key_exists = fail;
        self
    }

    /// Lets [`enter`](crate::DSpinlock::enter) return without the lock if the key is COMPUTED (`cached_if_computed`).
    pub const fn with_cached_if_computed(mut self, cached: bool) -> Self {
        self.cached_if_computed = cached;
        self
    }

    /// Sets how often a lock may pass from one caller of this process to the next without the server, before other
    /// processes get their turn. At most 60 million; zero turns hand-offs off. Bare keys have none, since Python polls
    /// them.
    pub const fn with_local_handoffs(mut self, local_handoffs: u32) -> Self {
        self.local_handoffs = local_handoffs;
        self
    }

    /// Requires `count` replicas to confirm a grant before it counts (Redis' `WAIT`). A grant that is not confirmed
    /// within this time, rounded up to a millisecond and at most half of the client's response timeout, is given back
    /// and is an error of kind [`Backend`](crate::ErrorKind::Backend). Zero replicas, the default, asks none.
    ///
    /// This makes it less likely that a failover forgets a lock. It costs one round trip from the server to its
    /// replicas for each grant, one grant at a time on a connection of its own. It does not make the lock safe: a
    /// replica that has confirmed need not be the one that is promoted, and renewals and releases are not waited for.
    /// See `docs/holding.md`.
    pub const fn with_replicas(mut self, count: u32, within: Duration) -> Self {
        self.replicas = if count == 0 { None } else { Some(Replicas { count, within }) };
        self
    }

    /// Returns how often a waiter looks at the key where no wake-up can reach it.
    pub const fn sleep(&self) -> Duration {
        self.sleep
    }

    /// Returns how long a caller waits in all, also where that was set by [`with_tries`](Self::with_tries).
    pub const fn wait(&self) -> Duration {
        match self.budget {
            Budget::Wait(wait) => wait,
            Budget::Tries(tries) => self.sleep.saturating_mul(tries),
            Budget::Computation => self.max_block,
        }
    }

    /// How long a caller asks a server again that can't do what is asked at present. A caller that waits for a computation
    /// does not wait for a server as long as that.
    pub(crate) fn wait_for_server(&self) -> Duration {
        match self.budget {
            Budget::Computation => DEFAULT_WAIT.min(self.max_block),
            _ => self.wait(),
        }
    }

    /// Returns how many times [`sleep`](Self::sleep) a caller waits; `None` if [`with_wait`](Self::with_wait) was set.
    pub const fn tries(&self) -> Option<u32> {
        match self.budget {
            Budget::Wait(_) | Budget::Computation => None,
            Budget::Tries(tries) => Some(tries),
        }
    }

    /// Returns how long a released key stays COMPUTED; `None` if a release removes it.
    pub const fn expire(&self) -> Option<Duration> {
        self.expire
    }

    /// Returns the longest that a lock may be held.
    pub const fn max_block(&self) -> Duration {
        self.max_block
    }

    /// Returns how long a holder's record lives without renewal.
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns whether an acquisition fails if the key is held or COMPUTED.
    pub const fn fail_if_key_exists(&self) -> bool {
        self.fail_if_key_exists
    }

    /// Returns whether [`enter`](crate::DSpinlock::enter) returns without the lock if the key is COMPUTED.
    pub const fn cached_if_computed(&self) -> bool {
        self.cached_if_computed
    }

    /// Returns how often a lock may pass from one caller of this process to the next without the server.
    pub const fn local_handoffs(&self) -> u32 {
        self.local_handoffs
    }

    /// Returns how many replicas must confirm a grant, and within what time; `None` if none is asked.
    pub const fn replicas(&self) -> Option<(u32, Duration)> {
        match self.replicas {
            Some(Replicas { count, within }) => Some((count, within)),
            None => None,
        }
    }

    /// The lease to ask for. It never exceeds `max_block`.
    pub(crate) fn first_lease(&self) -> Duration {
        self.lease.min(self.max_block)
    }

    /// The pause before giving back is retried, if the server did not confirm it.
    pub(crate) fn retry(&self) -> Duration {
        (self.lease / 10).min(Duration::from_secs(1))
    }

    /// Refuses values that can't be used. `bare` keys are shared with Python.
    pub(crate) fn validate(&self, bare: bool) -> Result<()> {
        let always = [("`sleep`", self.sleep), ("`max_block`", self.max_block), ("`lease`", self.lease)];
        let expire = self.expire.map(|expire| ("`expire`", expire));
        let confirmed = self.replicas.map(|replicas| ("the time of `replicas`", replicas.within));
        for (name, duration) in always.into_iter().chain(expire).chain(confirmed) {
            check_duration(name, duration, "")?;
        }
        match self.budget {
            // Zero makes one attempt, and the server is not told how long a caller waits.
            Budget::Wait(wait) => check_limit("`wait`", wait)?,
            Budget::Tries(0) => {
                return Err(refused(
                    "`tries` is zero; write `wait` with zero for a single attempt".to_owned(),
                ));
            }
            Budget::Tries(tries) if self.wait() > Self::MAX_DURATION => {
                return Err(refused(format!(
                    "`tries` is {tries} and `sleep` {:?}: together they are above the limit of 365 days; \
                     write fewer `tries`",
                    self.sleep
                )));
            }
            Budget::Tries(_) | Budget::Computation => {}
        }
        if self.local_handoffs > MAX_HANDOFFS {
            return Err(refused(format!(
                "`local_handoffs` is {}, and each turn reserves as many fencing tokens; write {MAX_HANDOFFS} or fewer",
                self.local_handoffs
            )));
        }
        if bare && self.max_block > BARE_MAX_BLOCK {
            return Err(refused(format!(
                "`max_block` is {:?} on a bare key, but Python takes over what looks older than 30 minutes; \
                 give the lock a namespace or a shorter `max_block`",
                self.max_block
            )));
        }
        Ok(())
    }
}
