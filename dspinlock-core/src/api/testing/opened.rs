//! Whether this process has tests with clients of their own.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a scope was ever opened or a sandbox made. Never reset, since what a test starts may outlive it.
static OPENED: AtomicBool = AtomicBool::new(false);

/// Whether a call outside of all scopes may have lost its scope.
pub(crate) fn opened() -> bool {
    OPENED.load(Ordering::Relaxed)
}

/// Notes that a call outside of all scopes may have lost its scope from now on.
pub(super) fn note() {
    OPENED.store(true, Ordering::Relaxed);
}
