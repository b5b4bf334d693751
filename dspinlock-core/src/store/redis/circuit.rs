//! A circuit breaker: while the server is out of reach, calls fail at once, and a probe finds out when it is back.

use crate::clock::Tick;
use crate::sync::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The failures in a row that open it: one lost connection is no outage.
const OPENS_AFTER: u32 = 3;

/// While it is closed, the server is asked; while it is open, it is not.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    trouble: Mutex<Trouble>,
    /// Whether a call failed recently. If not, a success costs only this read.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Failures in a row.
    failures: u32,
    /// When the first of them came.
    since: Option<Tick>,
    /// The last failure, while the circuit is open.
    open: Option<String>,
}

impl Circuit {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        lock(&self.trouble)
    }

    /// Notes that the server has answered. If that closes the circuit, returns how long the server was out of reach.
    pub(crate) fn succeeded(&self) -> Option<Duration> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut trouble = self.trouble();
        self.any.store(false, Ordering::Release);
        let Trouble { since, open, .. } = std::mem::take(&mut *trouble);
        open.and(since).map(|since| Tick::now() - since)
    }

    /// Notes that the server was not reached; `true` if that opens the circuit, and the caller must start a probe.
    pub(crate) fn failed(&self, why: &str) -> bool {
        let mut trouble = self.trouble();
        self.any.store(true, Ordering::Release);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.since.get_or_insert_with(Tick::now);
        trouble.failures >= OPENS_AFTER && trouble.open.replace(why.to_owned()).is_none()
    }

    /// Whether the last call failed.
    pub(crate) fn is_troubled(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The last failure while the circuit is open; `None` while it is closed.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.is_troubled() { self.trouble().open.clone() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_once_and_a_success_closes_it() {
        let circuit = Circuit::default();
        assert!(!circuit.failed("a") && !circuit.failed("b"));
        assert!(circuit.succeeded().is_none(), "it was not open");
        assert!(!circuit.failed("c") && !circuit.failed("d"));
        assert_eq!(circuit.refusal(), None);
        assert!(circuit.failed("e"));
        assert_eq!(circuit.refusal().as_deref(), Some("e"));
        assert!(!circuit.failed("f"), "there is a probe already");
        assert!(circuit.succeeded().is_some() && circuit.refusal().is_none());
        assert!(circuit.succeeded().is_none());
    }

    /// Every opening is reported to one caller, also in a race: without its probe the circuit would stay open.
    #[test]
    fn successes_and_failures_at_once_leave_it_able_to_open() {
        let circuit = Circuit::default();
        for _ in 0..200 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..50).filter(|_| circuit.failed("at once")).count());
                scope.spawn(|| (0..50).filter_map(|_| circuit.succeeded()).count());
            });
            circuit.succeeded();
            assert_eq!(["a", "b", "c"].map(|why| circuit.failed(why)), [false, false, true]);
        }
    }
}
