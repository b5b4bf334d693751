//! What an annotated function does while the server can't be asked for the lock.

use crate::client::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::LockHandle;
use crate::spec::Spec;
use std::sync::Arc;

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

/// The way in for a call that can't have its lock.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    pub(crate) core: Arc<Core>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) on_outage: OnOutage,
}

impl Fallback {
    /// What a body that runs unlocked has in hand, or the error again where none is to.
    pub(crate) fn unlocked(self, error: Error) -> Result<LockHandle> {
        if self.on_outage != OnOutage::RunUnlocked || error.kind() != ErrorKind::Backend {
            return Err(error);
        }
        tracing::warn!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function, %error,
            "running WITHOUT the lock, as `on_outage = \"run_unlocked\"` says"
        );
        Ok(LockHandle::unlocked(self.core, self.spec))
    }
}
