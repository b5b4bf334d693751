//! Diagnostics on standard error, switched on by an environment variable as in py-dspinlock.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Shows this library's events, down to `DEBUG`, on standard error if the environment variable `SL_LOG_ENABLED` is set
/// to any value. Says whether it does.
///
/// It is for programs without a `tracing` subscriber of their own. A program that has one needs nothing from here: the
/// events have the target `dspinlock`. If there is a subscriber already, this changes nothing and returns `false`.
///
/// ```
/// dspinlock::logging::init();
/// ```
pub fn init() -> bool {
    if std::env::var_os("SL_LOG_ENABLED").is_none() {
        return false;
    }
    let ours = Targets::new().with_target("dspinlock", LevelFilter::DEBUG);
    let layer = fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(ours).with(layer).try_init().is_ok()
}
