//! How a holding ends.

use crate::observe::Held;
use crate::store::Sent;
use std::time::Duration;

/// How a holding ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The work was done.
    Release,
    /// The work was done. The value is stored beside the record, for `life`.
    Publish { value: Sent, life: Duration },
    /// The work was not done, or nobody knows.
    Abandon,
    /// The work has failed. The note is kept for the callers that waited, for `life`.
    Fail { note: Vec<u8>, life: Duration },
}

impl Ending {
    /// The ending as it is measured.
    pub(crate) fn held(&self) -> Held {
        match self {
            Self::Release | Self::Publish { .. } => Held::Released,
            Self::Abandon | Self::Fail { .. } => Held::Abandoned,
        }
    }
}
