//! What the integration tests share.

mod alone;
mod executor;
mod log;
pub mod pedantic;
mod rig;

pub use alone::{alone, in_a_process};
pub use executor::block_on;
pub use log::Log;
pub use rig::{Api, Rig};

use dspinlock::Guard;
use std::collections::HashMap;
use std::sync::OnceLock;
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

/// The key of the last fencing token, by the prefix of the scheme and the name of the record. Computed slowly, and apart from the
/// library: the smallest number in the cluster slot of the record.
pub fn fence_key(prefix: &str, record: &str) -> String {
    const SLOTS: u16 = 16_384;
    /// The smallest number of each slot.
    static SMALLEST: OnceLock<HashMap<u16, u32>> = OnceLock::new();
    let step = |sum: u16| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
    let byte = |sum: u16, byte: u8| (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| step(sum));
    let slot = |text: &str| text.bytes().fold(0, byte) % SLOTS;
    let tag = record.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let smallest = SMALLEST.get_or_init(|| {
        let mut smallest = HashMap::new();
        for number in 0_u32.. {
            smallest.entry(slot(&number.to_string())).or_insert(number);
            if smallest.len() == usize::from(SLOTS) {
                break;
            }
        }
        smallest
    });
    let number = smallest[&slot(tag.filter(|tag| !tag.is_empty()).unwrap_or(record))];
    format!("{prefix}:fence:{{{number}}}")
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

/// A type of another crate that says nothing of serde, as `axum::Json` does not.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// Milliseconds, since tests are full of them.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
