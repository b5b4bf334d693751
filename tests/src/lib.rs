//! What the integration tests share.

mod alone;
mod executor;
mod log;
mod rig;

pub use alone::{alone, in_a_process};
pub use executor::block_on;
pub use log::Log;
pub use rig::{Api, Rig};

use dspinlock::Guard;
use std::thread;
use std::time::{Duration, Instant};

/// Polls until `check` is true, for what nothing announces: an expiry, or the work of the library's own thread.
///
/// # Panics
/// If it is not true within ten seconds. The message has `what`.
#[track_caller]
pub fn eventually(what: &str, check: impl FnMut() -> bool) {
    within(Duration::from_secs(10), what, check);
}

/// [`eventually`] with a limit of its own.
///
/// # Panics
/// If it is not true within that time.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until the lease of a lock that is held has been renewed.
///
/// # Panics
/// If that takes longer than ten seconds, or the lock is lost before.
#[track_caller]
pub fn await_renewal(guard: &Guard) {
    let ends = || guard.held_for() + guard.remaining();
    let before = ends();
    eventually("a renewal", || {
        assert!(guard.is_held(), "lost after {:?}", guard.held_for());
        ends() > before + ms(10)
    });
}

/// Runs `work` and measures how long it takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// Milliseconds, since tests are full of them.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
