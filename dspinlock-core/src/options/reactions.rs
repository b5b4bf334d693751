//! What a call does if its lock is lost, or if the server is out of reach.

use crate::error::{Error, ErrorKind, Result};

/// What a call does if its lock is lost while the body runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLost {
    /// Returns an error in place of the body's value.
    Error,
    /// Drops the body at its next await, and returns an error.
    Cancel,
    /// Returns the body's value, and logs the loss.
    Continue,
}

impl OnLost {
    /// The error that the caller gets in place of what the body returned, if there is one.
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
/// use dspinlock::{Client, OnOutage};
///
/// let client = Client::memory().with_on_outage(OnOutage::RunUnlocked);
/// assert_eq!(client.on_outage(), OnOutage::RunUnlocked);
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
