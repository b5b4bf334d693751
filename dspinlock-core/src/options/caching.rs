//! The options of cached values.

use crate::error::{Error, ErrorKind, Result};
use crate::options::check_duration;
use std::sync::Arc;
use std::time::Duration;

/// Identifies, as bytes, the calls that one local copy of a value is for. It determines the record and the label.
pub(crate) type CallId = Arc<[u8]>;

/// How a cached function keeps its values, in addition to the options of its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caching {
    /// This long before a value expires, one caller computes the next; the others get the old one.
    pub(crate) refresh_ahead: Option<Duration>,
    /// How long past its expiry the last good value may stand in for a failure.
    pub(crate) stale_if_error: Option<Duration>,
    /// How long a failure is cached for all callers.
    pub(crate) err_expire: Option<Duration>,
    /// How long this process may serve a copy of the value.
    pub(crate) local: Option<Duration>,
    /// The call that the copy is for, if there is to be one.
    pub(crate) call: Option<CallId>,
    /// The largest stored value, in bytes.
    pub(crate) max_value: usize,
}

impl Caching {
    pub(crate) const fn new() -> Self {
        Self {
            refresh_ahead: None,
            stale_if_error: None,
            err_expire: None,
            local: None,
            call: None,
            max_value: 64 << 20,
        }
    }

    /// Refuses durations that can't be used, also together with `expire`.
    pub(crate) fn validate(&self, expire: Option<Duration>) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        let named = [
            ("`refresh_ahead`", self.refresh_ahead),
            ("`stale_if_error`", self.stale_if_error),
            ("`err_expire`", self.err_expire),
            ("`local`", self.local),
        ];
        for (name, duration) in named {
            if let Some(duration) = duration {
                check_duration(name, duration, "leave it out or ")?;
            }
        }
        match self.refresh_ahead.zip(expire) {
            Some((ahead, expire)) if ahead >= expire => refuse(format!(
                "`refresh_ahead` is {ahead:?} and `expire` {expire:?}: each value would be computed again at once"
            )),
            _ => Ok(()),
        }
    }
}
