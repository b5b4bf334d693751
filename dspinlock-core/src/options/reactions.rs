//! What a call does if its lock is lost, or if the server is out of reach.

use crate::error::{Error, ErrorKind, Result};

/// What a call does if its lock is lost while the body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLost {
    /// Returns an error in place of the body's value.
    Error,
    /// Drops the body at its next await and returns an error.
    Cancel,
    /// Returns the body's value, and logs the loss.
    Continue,
}

impl OnLost {
    /// The error that the caller gets in place of the body's value. `None` if it gets the value; then a failed release is logged.
    pub(crate) fn into_caller_error(self, ending: Result<()>) -> Option<Error> {
        let error = ending.err()?;
        let lost = matches!(error.kind(), ErrorKind::Lost | ErrorKind::NotOwner | ErrorKind::Foreign);
        if lost && self != Self::Continue {
            return Some(error);
        }
        tracing::warn!(target: "dspinlock", %error, "the body has succeeded, and releasing the lock failed");
        None
    }
}

/// What annotated functions do if the server is out of reach or refuses the command, which is an error of the kind
/// [`Backend`](ErrorKind::Backend).
///
/// [`Client::with_on_outage`](crate::Client::with_on_outage) sets it for all functions of a client, and
/// `on_outage = "…"` in the attribute for one function.
///
/// ```
/// use dspinlock::testing::{Sandbox, scope};
/// use dspinlock::{ErrorKind, OnOutage, dspinlock};
///
/// #[dspinlock(key = (), guard = lock)]
/// fn is_alone() -> Result<bool, dspinlock::Error> {
///     Ok(lock.is_held())
/// }
///
/// let sandbox = Sandbox::new();
/// let _outage = sandbox.outage();
/// assert_eq!(scope(sandbox.client(), is_alone).unwrap_err().kind(), ErrorKind::Backend);
///
/// let client = sandbox.client().clone().with_on_outage(OnOutage::RunUnlocked);
/// assert!(!scope(&client, is_alone)?, "it ran without the lock");
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnOutage {
    /// The call returns the error, and the body does not run.
    #[default]
    Fail,
    /// The body runs without the lock, possibly beside others. For work that is better done twice than not at all. Each
    /// such run is logged as a warning, and its `guard` is never held.
    RunUnlocked,
}
