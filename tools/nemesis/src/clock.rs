//! The clock of all processes of a run. It is never set, and runs on while the machine is suspended.

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

/// How far the wall clock, by which servers tell the time, is ahead of this one.
pub(crate) struct Wall {
    ahead: u64,
    asked: u64,
}

impl Wall {
    /// How long the difference is valid: the wall clock may be set.
    const FRESH: u64 = 500_000;
    /// Two readings of this clock this close enclose the same moment of the wall clock.
    const NEAR: u64 = 50;

    pub(crate) fn ask() -> Self {
        loop {
            let before = now();
            let wall = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
            let asked = now();
            // A thread that was interrupted in between tries again.
            if asked - before <= Self::NEAR {
                return Self { ahead: wall.saturating_sub(before), asked };
            }
        }
    }

    /// The time of this clock at a recent time of the wall clock.
    pub(crate) fn boot_at(&mut self, wall: u64) -> u64 {
        if now() > self.asked + Self::FRESH {
            *self = Self::ask();
        }
        wall.saturating_sub(self.ahead)
    }
}
