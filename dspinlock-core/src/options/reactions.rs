//! What a call does where its lock is lost, or can be neither had nor refused.

use crate::error::{Error, ErrorKind, Result};

/// What a call does if its lock was lost while the body ran.
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

/// What annotated functions do where the lock can be neither had nor refused, since the server is out of reach or refuses
/// the command: the kind [`Backend`](ErrorKind::Backend) of errors.
///
/// Set for all functions of a client by [`Client::with_on_outage`](crate::Client::with_on_outage), and for one function
/// by `on_outage = "…"` in its attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnOutage {
    /// They return the error, and the body does not run.
    #[default]
    Fail,
    /// The body runs without the lock, perhaps beside others: for work that is better done twice than not at all. Each such
    /// run is logged as a warning, and its `guard` is never held.
    RunUnlocked,
}
