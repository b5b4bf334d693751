//! One clock for all processes of a machine.

use std::time::Duration;

/// The time since the machine was started. All processes read the same clock, it is never set, and it goes on while the
/// machine is suspended.
#[cfg(target_os = "linux")]
#[must_use]
pub fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The time of day: the one clock that all processes share everywhere, as long as nobody sets it during the run.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
