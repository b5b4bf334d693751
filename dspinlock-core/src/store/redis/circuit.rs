//! The circuit: while the server is out of reach, callers are told so at once, and a probe finds out when it is back.

use crate::sync::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// So many calls in a row must have found nobody: one lost connection is no outage.
const OPENS_AFTER: u32 = 3;

/// Whether the server is asked. Closed, it is; open, it is not.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    trouble: Mutex<Trouble>,
    /// Whether there is any: with none, a call that succeeds costs no more than this look.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Trouble {
    /// How many calls in a row have found nobody.
    failures: u32,
    /// What the last of them met, while the circuit is open.
    open: Option<String>,
}

impl Circuit {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        lock(&self.trouble)
    }

    /// Takes in that the server has answered; `true` if that closes the circuit.
    pub(crate) fn succeeded(&self) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut trouble = self.trouble();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *trouble).open.is_some()
    }

    /// Takes in that nobody was found, for this reason; `true` if that opens the circuit, and a probe is to be started.
    pub(crate) fn failed(&self, why: &str) -> bool {
        let mut trouble = self.trouble();
        self.any.store(true, Ordering::Release);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.failures >= OPENS_AFTER && trouble.open.replace(why.to_owned()).is_none()
    }

    /// Why the server is not asked at present; `None` if it is.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.any.load(Ordering::Acquire) { self.trouble().open.clone() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_once_and_a_success_closes_it() {
        let circuit = Circuit::default();
        assert!(!circuit.failed("a") && !circuit.failed("b"));
        assert!(!circuit.succeeded(), "it was not open");
        assert!(!circuit.failed("c") && !circuit.failed("d"));
        assert_eq!(circuit.refusal(), None);
        assert!(circuit.failed("e"));
        assert_eq!(circuit.refusal().as_deref(), Some("e"));
        assert!(!circuit.failed("f"), "there is a probe already");
        assert!(circuit.succeeded() && circuit.refusal().is_none());
        assert!(!circuit.succeeded());
    }

    /// Each time it opens there is a probe, whatever calls have come to at the same moment: without one it would stay open.
    #[test]
    fn successes_and_failures_at_once_leave_it_able_to_open() {
        let circuit = Circuit::default();
        for _ in 0..200 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..50).filter(|_| circuit.failed("at once")).count());
                scope.spawn(|| (0..50).filter(|_| circuit.succeeded()).count());
            });
            circuit.succeeded();
            assert_eq!(["a", "b", "c"].map(|why| circuit.failed(why)), [false, false, true]);
        }
    }
}
