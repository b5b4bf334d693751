//! The circuit: while the server is out of reach, callers are told so at once, and a probe finds out when it is back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many calls in a row must have found nobody: one lost connection is no outage.
const OPENS_AFTER: u32 = 3;

/// Whether the server is asked. Closed, it is; open, it is not.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    /// How many calls in a row have found nobody.
    failures: AtomicU32,
    /// What the last of them met, while the circuit is open.
    open: Mutex<Option<String>>,
}

impl Circuit {
    fn open(&self) -> MutexGuard<'_, Option<String>> {
        // One text, replaced whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in that the server has answered; `true` if that closes the circuit.
    pub(crate) fn succeeded(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0
            && self.failures.swap(0, Ordering::AcqRel) >= OPENS_AFTER
            && self.open().take().is_some()
    }

    /// Takes in that nobody was found, for this reason; `true` if that opens the circuit, and a probe is to be started.
    pub(crate) fn failed(&self, why: &str) -> bool {
        let in_a_row = self.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        in_a_row >= OPENS_AFTER && self.open().replace(why.to_owned()).is_none()
    }

    /// Why the server is not asked at present; `None` if it is.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.failures.load(Ordering::Acquire) < OPENS_AFTER { None } else { self.open().clone() }
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
}
