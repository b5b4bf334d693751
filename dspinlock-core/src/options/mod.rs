//! How long a lock waits, holds and remembers: a value that can be kept and shared.

mod caching;
mod reactions;

pub(crate) use caching::Caching;
pub use reactions::{OnLost, OnOutage};

use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;

/// The longest duration that any option takes.
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The shortest duration of any option but `wait`: the server counts in milliseconds.
const MIN_DURATION: Duration = Duration::from_millis(1);

/// The most hand-overs of a turn: their fencing tokens are microseconds ahead of the clock, and must not be so by more than a minute.
const MAX_HANDOFFS: u32 = 60_000_000;

/// The longest `max_block` of a bare key: Python takes a lock that looks older.
pub(crate) const BARE_MAX_BLOCK: Duration = Duration::from_secs(30 * 60);

/// How long a caller is ready to wait for a lock that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// This long; zero is one attempt.
    Wait(Duration),
    /// This many times `sleep`, as py-dspinlock counts. A wake-up that loses the race uses up none of them.
    Tries(u32),
}

/// The options of a lock. The defaults are py-dspinlock's, and a lease of ten seconds, which it does not have.
///
/// Validated when a lock is used: less than a millisecond for `sleep`, `expire`, `max_block`, `lease` or the time of
/// `replicas`, zero `tries`, and anything above [`MAX_DURATION`], is an error of kind [`Config`](ErrorKind::Config).
///
/// ```
/// use dspinlock::{Client, Options};
/// use std::time::Duration;
///
/// const SECOND: Duration = Duration::from_secs(1);
/// let patient = Options::new().sleep(SECOND / 10).wait(60 * SECOND);
/// let client = Client::memory();
/// let guard = client.lock("example").options(patient.clone()).acquire_blocking()?;
/// guard.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// How many replicas must have a grant, and within what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults: `sleep` 500 ms, `tries` 10, `expire` 1 h, `max_block` 30 min, `lease` 10 s, `local_handoffs` 64, both flags
    /// off.
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

    /// How long a waiter sleeps at most between two looks at the key (py-dspinlock's `spinlock_sleep_thresh`).
    #[must_use]
    pub const fn sleep(mut self, sleep: Duration) -> Self {
        self.sleep = sleep;
        self
    }

    /// Waits this long in all; zero is one attempt. Replaces [`tries`](Self::tries).
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.budget = Budget::Wait(wait);
        self
    }

    /// Waits this many times [`sleep`](Self::sleep) in all (`max_spinlock_tries`). Replaces [`wait`](Self::wait).
    #[must_use]
    pub const fn tries(mut self, tries: u32) -> Self {
        self.budget = Budget::Tries(tries);
        self
    }

    /// How long a released key stays COMPUTED (`expire_at_timedelta`); with `None` it is removed.
    #[must_use]
    pub fn expire(mut self, expire: impl Into<Option<Duration>>) -> Self {
        self.expire = expire.into();
        self
    }

    /// The longest that a lock may be held: then its lease is renewed no more, and a record of Python that is older is
    /// taken over (`max_block_time`). On bare keys, which Python may share, 30 minutes at the most.
    #[must_use]
    pub const fn max_block(mut self, max_block: Duration) -> Self {
        self.max_block = max_block;
        self
    }

    /// How long the record of a holder lives without renewal: the time for which a crash blocks others.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Fails with kind [`KeyExists`](ErrorKind::KeyExists) where the key is held or COMPUTED (`fail_if_key_exists`).
    #[must_use]
    pub const fn fail_if_key_exists(mut self, fail: bool) -> Self {
        self.fail_if_key_exists = fail;
        self
    }

    /// Lets [`enter`](crate::DSpinlock::enter) return without the lock where the key is COMPUTED (`cached_if_computed`).
    #[must_use]
    pub const fn cached_if_computed(mut self, cached: bool) -> Self {
        self.cached_if_computed = cached;
        self
    }

    /// How often the lock may go from one caller of this process to the next, without the server's part in it, before
    /// other processes have their turn, 60 million times at the most. Zero turns that off. There is none on bare keys, which
    /// Python polls.
    #[must_use]
    pub const fn local_handoffs(mut self, local_handoffs: u32) -> Self {
        self.local_handoffs = local_handoffs;
        self
    }

    /// Has a grant confirmed by so many replicas before it counts (Redis' `WAIT`); one that is not confirmed within this
    /// time, rounded up to a millisecond and half of the client's response timeout at the most, is given back, and is an
    /// error of kind [`Backend`](ErrorKind::Backend). Zero replicas, the default, asks none.
    ///
    /// It makes it less likely that a failover forgets a lock, and costs one round trip from the server to its replicas for
    /// each grant, one at a time on a connection of its own. It does not make the lock safe: a replica that has confirmed
    /// need not be the one that is promoted, and renewals and releases are not waited for. See `docs/holding.md`.
    #[must_use]
    pub const fn replicas(mut self, count: u32, within: Duration) -> Self {
        self.replicas = if count == 0 { None } else { Some(Replicas { count, within }) };
        self
    }

    /// How long a caller waits in all.
    pub(crate) fn wait_budget(&self) -> Duration {
        match self.budget {
            Budget::Wait(wait) => wait,
            Budget::Tries(tries) => self.sleep.saturating_mul(tries),
        }
    }

    /// The lease to ask for, which never goes beyond `max_block`.
    pub(crate) fn first_lease(&self) -> Duration {
        self.lease.min(self.max_block)
    }

    /// How long to wait before giving back is tried again, where the server did not confirm it.
    pub(crate) fn retry(&self) -> Duration {
        (self.lease / 10).min(Duration::from_secs(1))
    }

    /// How long the fence outlives the last sign of life of the lock: `max(record's life, max_block) + 1 h`.
    pub(crate) fn fence_life(&self) -> Duration {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        self.lease.max(self.max_block).max(self.expire.unwrap_or_default()) + HOUR
    }

    /// Refuses what can't be used; `bare` keys are shared with Python.
    pub(crate) fn validate(&self, bare: bool) -> Result<()> {
        let always = [("`sleep`", self.sleep), ("`max_block`", self.max_block), ("`lease`", self.lease)];
        let expire = self.expire.map(|expire| ("`expire`", expire));
        let confirmed = self.replicas.map(|replicas| ("the time of `replicas`", replicas.within));
        for (name, duration) in always.into_iter().chain(expire).chain(confirmed) {
            check_duration(name, duration, "")?;
        }
        match self.budget {
            // Zero is one attempt, and no server has to be told a wait.
            Budget::Wait(wait) => check_limit("`wait`", wait)?,
            Budget::Tries(0) => {
                return Err(config("`tries` is zero; write 1 for a single attempt".to_owned()));
            }
            Budget::Tries(tries) if self.wait_budget() > MAX_DURATION => {
                return Err(config(format!(
                    "`tries` is {tries} and `sleep` {:?}: together they are above the limit of 365 days; \
                     write fewer `tries`",
                    self.sleep
                )));
            }
            Budget::Tries(_) => {}
        }
        if self.local_handoffs > MAX_HANDOFFS {
            return Err(config(format!(
                "`local_handoffs` is {}, and each turn reserves as many fencing tokens; write {MAX_HANDOFFS} or fewer",
                self.local_handoffs
            )));
        }
        if bare && self.max_block > BARE_MAX_BLOCK {
            return Err(config(format!(
                "`max_block` is {:?} on a bare key, but Python takes over what looks older than 30 minutes; \
                 give the lock a namespace or a shorter `max_block`",
                self.max_block
            )));
        }
        Ok(())
    }
}

/// Refuses a duration that the server, which counts in milliseconds, can't be told; `or` says what else may be written.
pub(crate) fn check_duration(name: &str, duration: Duration, or: &str) -> Result<()> {
    if duration.is_zero() {
        return Err(config(format!("{name} is zero; {or}write at least one millisecond")));
    }
    if duration < MIN_DURATION {
        return Err(config(format!("{name} is {duration:?}; {or}write at least one millisecond")));
    }
    check_limit(name, duration)
}

fn check_limit(name: &str, duration: Duration) -> Result<()> {
    if duration > MAX_DURATION {
        return Err(config(format!("{name} is {duration:?}, above the limit of 365 days")));
    }
    Ok(())
}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_py_dspinlocks() {
        let options = Options::new();
        assert_eq!(options.wait_budget(), Duration::from_secs(5));
        assert_eq!(options.fence_life(), Duration::from_secs(2 * 60 * 60));
        options.validate(true).unwrap();
    }

    /// Each is refused by its own name, in words that say what to write.
    #[test]
    fn refuses_what_is_too_short_or_too_long_by_its_name() {
        type Set = fn(Options, Duration) -> Options;
        let durations: [(&str, Set); 5] = [
            ("`sleep`", Options::sleep),
            ("`expire`", |options, expire| options.expire(expire)),
            ("`max_block`", Options::max_block),
            ("`lease`", Options::lease),
            ("the time of `replicas`", |options, within| options.replicas(1, within)),
        ];
        let refusal = |options: &Options| {
            let refused = options.validate(false).expect_err(&format!("{options:?}"));
            assert_eq!(refused.kind(), ErrorKind::Config, "{refused}");
            refused.to_string()
        };
        for (name, set) in durations {
            for short in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
                let text = refusal(&set(Options::new(), short));
                assert!(text.starts_with(name) && text.contains("at least one millisecond"), "{text}");
            }
            for long in [MAX_DURATION + MIN_DURATION, Duration::MAX] {
                let text = refusal(&set(Options::new().tries(1), long));
                assert!(text.starts_with(name) && text.contains("365 days"), "{text}");
            }
            set(Options::new(), MIN_DURATION).validate(false).unwrap();
        }
        let numbers = [
            (Options::new().wait(Duration::MAX), "`wait` is"),
            (Options::new().tries(0), "`tries` is zero; write 1"),
            (Options::new().tries(u32::MAX), "`tries` is 4294967295 and `sleep` 500ms"),
            (Options::new().local_handoffs(u32::MAX), "`local_handoffs` is 4294967295"),
        ];
        for (options, starts) in numbers {
            let text = refusal(&options);
            assert!(text.starts_with(starts), "{text}");
        }
        for wait in [Duration::ZERO, Duration::from_nanos(1), MAX_DURATION] {
            Options::new().wait(wait).expire(None).validate(false).unwrap();
        }
        Options::new().tries(u32::MAX).sleep(MIN_DURATION).validate(false).unwrap();
    }

    #[test]
    fn a_bare_key_is_not_held_longer_than_python_believes() {
        let long = Options::new().max_block(Duration::from_secs(31 * 60));
        long.validate(false).unwrap();
        assert!(long.validate(true).unwrap_err().to_string().contains("namespace"));
    }
}
