//! Which durations an option accepts.

use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;

pub(super) const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The shortest duration of any option but `wait`: the server counts in milliseconds.
pub(super) const MIN_DURATION: Duration = Duration::from_millis(1);

/// Refuses a duration that the server, which counts in milliseconds, can't be told. `or` names what else may be
/// written.
pub(crate) fn check_duration(name: &str, duration: Duration, or: &str) -> Result<()> {
    if duration.is_zero() {
        return Err(refused(format!("{name} is zero; {or}write at least one millisecond")));
    }
    if duration < MIN_DURATION {
        return Err(refused(format!("{name} is {duration:?}; {or}write at least one millisecond")));
    }
    check_limit(name, duration)
}

pub(super) fn check_limit(name: &str, duration: Duration) -> Result<()> {
    if duration > MAX_DURATION {
        return Err(refused(format!("{name} is {duration:?}, above the limit of 365 days")));
    }
    Ok(())
}

pub(super) fn refused(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}
