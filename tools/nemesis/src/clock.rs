//! The one clock of all processes of a run, which nobody sets and which goes on in a suspended machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds of the system's boot clock.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Sleeps until a moment of this clock.
pub(crate) fn sleep_until(at: u64) {
    std::thread::sleep(Duration::from_micros(at.saturating_sub(now())));
}

/// What this clock showed when the wall clock showed `wall` microseconds, lately.
pub(crate) fn of_wall(wall: u64) -> u64 {
    let now_by_wall = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    (now() + wall).saturating_sub(now_by_wall)
}
