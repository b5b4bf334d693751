//! An error type and private stores for the tests of shapes.

use std::fmt;

use dspinlock::{Client, testing};

/// An application's error, which converts from ours.
#[derive(Debug)]
pub(crate) enum AppError {
    Lock(dspinlock::Error),
    Own(&'static str),
}

impl From<dspinlock::Error> for AppError {
    fn from(error: dspinlock::Error) -> Self {
        Self::Lock(error)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => write!(f, "lock: {error}"),
            Self::Own(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for AppError {}

/// Runs a closure against a store of its own.
pub(crate) fn alone<R>(f: impl FnOnce() -> R) -> R {
    testing::scope(&Client::memory(), f)
}

/// Runs a future against a store of its own, on a runtime of its own.
pub(crate) fn alone_async<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(testing::scope_async(&Client::memory(), future))
}
