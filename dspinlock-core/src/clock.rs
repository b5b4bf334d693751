//! The two clocks of a process: a steady one for deadlines, and an estimate of the server's clock for what goes into
//! records.

use std::fmt::{self, Write as _};
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment of this process's steady clock, which never jumps, and goes on while the machine is suspended.
///
/// `std::time::Instant` stands still during a suspension on Linux. A holder that slept through its lease would still
/// believe that it holds the lock.
///
/// In nanoseconds: each held lock keeps a few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The present moment.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
        Self(seconds.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default())
    }

    /// The present moment.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn now() -> Self {
        use once_cell::sync::Lazy;
        use std::time::Instant;
        static START: Lazy<Instant> = Lazy::new(Instant::now);
        Self(nanos(START.elapsed()))
    }

    /// The moment that is `rest` earlier.
    pub(crate) fn before(self, rest: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(rest)))
    }

    /// The time from `self` to `later`; zero if `later` has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }

    #[cfg(test)]
    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    fn micros(self) -> i64 {
        i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX)
    }
}

/// A duration in nanoseconds. Those that are longer than 500 years count as that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Tick {
    type Output = Self;
    fn add(self, rest: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rest)))
    }
}

impl Sub for Tick {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        earlier.until(self)
    }
}

/// A moment of the server's clock, in microseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerTime(pub(crate) u64);

impl ServerTime {
    /// The time of this machine's wall clock, for a store in this process.
    pub(crate) fn of_this_machine() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0)
    }

    /// The time from `self` to `later`; zero if `later` has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_micros(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for ServerTime {
    type Output = Self;
    fn add(self, rest: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rest.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl ServerTime {
    /// The time as Python's `datetime.isoformat()` writes it: `2026-01-31T23:59:59.000123+00:00`.
    pub(crate) fn isoformat(self) -> String {
        const LENGTH: usize = "2026-01-31T23:59:59.000123+00:00".len();
        let mut text = String::with_capacity(LENGTH);
        // A `String` takes everything.
        let _ = write!(text, "{}", humantime::format_rfc3339_micros(self.to_system_time()));
        // The `Z`.
        text.pop();
        text.push_str("+00:00");
        text
    }
}

impl fmt::Display for ServerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat())
    }
}

/// An estimate of how far the server's clock is ahead of the steady clock. Every reply with the server's time renews
/// it.
#[derive(Debug)]
pub(crate) struct ServerClock {
    /// How far it is ahead, if it showed the time in the reply in the middle of the round trip.
    offset: AtomicI64,
    /// How far it is ahead at least: it showed the time in the reply no later than the reply came.
    at_least: AtomicI64,
}

impl ServerClock {
    const UNKNOWN: i64 = i64::MIN;

    /// Takes in that the server's clock showed `server` between `sent` and `received`.
    pub(crate) fn learn(&self, server: ServerTime, sent: Tick, received: Tick) {
        let middle = sent.micros() / 2 + received.micros() / 2;
        let server = i64::try_from(server.0).unwrap_or(i64::MAX);
        self.at_least.store(server.saturating_sub(received.micros()), Ordering::Relaxed);
        self.offset.store(server.saturating_sub(middle), Ordering::Relaxed);
    }

    /// Forgets the estimate: the next reply may come from another server.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn forget(&self) {
        self.offset.store(Self::UNKNOWN, Ordering::Relaxed);
        self.at_least.store(Self::UNKNOWN, Ordering::Relaxed);
    }

    /// The estimated time of the server's clock at `tick`; `None` before the first reply.
    pub(crate) fn at(&self, tick: Tick) -> Option<ServerTime> {
        shown(tick, self.offset.load(Ordering::Relaxed))
    }

    /// The earliest time that the server's clock can show at `tick`, by the last round trip; `None` before the first
    /// reply.
    pub(crate) fn at_least(&self, tick: Tick) -> Option<ServerTime> {
        shown(tick, self.at_least.load(Ordering::Relaxed))
    }
}

impl Default for ServerClock {
    /// A clock that is not known yet.
    fn default() -> Self {
        Self { offset: AtomicI64::new(Self::UNKNOWN), at_least: AtomicI64::new(Self::UNKNOWN) }
    }
}

/// The time of a clock that is `offset` ahead of the steady clock, in microseconds.
fn shown(tick: Tick, offset: i64) -> Option<ServerTime> {
    let shown = || ServerTime(u64::try_from(tick.micros().saturating_add(offset)).unwrap_or_default());
    (offset != ServerClock::UNKNOWN).then(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_form_that_python_reads() {
        assert_eq!(ServerTime(1_769_903_999_000_123).isoformat(), "2026-01-31T23:59:59.000123+00:00");
        assert_eq!(ServerTime(0).isoformat(), "1970-01-01T00:00:00.000000+00:00");
    }

    #[test]
    fn estimates_the_server_from_the_middle_of_a_round_trip() {
        let clock = ServerClock::default();
        assert_eq!(clock.at(Tick::from_millis(1)), None);
        clock.learn(ServerTime(5_000_000), Tick::from_millis(100), Tick::from_millis(200));
        assert_eq!(clock.at(Tick::from_millis(151)), Some(ServerTime(5_001_000)));
        assert_eq!(clock.at_least(Tick::from_millis(201)), Some(ServerTime(5_001_000)));
        clock.forget();
        assert_eq!((clock.at(Tick::from_millis(201)), clock.at_least(Tick::from_millis(201))), (None, None));
    }

    #[test]
    fn the_steady_clock_goes_on() {
        let first = Tick::now();
        assert!(Tick::now() >= first);
        assert_eq!(Tick::from_millis(5).until(Tick::from_millis(3)), Duration::ZERO);
    }
}
