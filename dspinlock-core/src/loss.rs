//! What becomes of a body whose lock is lost while it runs.

use crate::error::{Error, ErrorKind, Result};
use crate::guard::LockHandle;
use crate::scope::Within;
use crate::worker::Attended;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    pub(crate) fn minds(self, ending: Result<()>) -> Option<Error> {
        let error = ending.err()?;
        let lost = matches!(error.kind(), ErrorKind::Lost | ErrorKind::NotOwner | ErrorKind::Foreign);
        if lost && self != Self::Continue {
            return Some(error);
        }
        tracing::warn!(target: "dspinlock", %error, "the body has succeeded, and releasing the lock failed");
        None
    }
}

pin_project! {
    /// Runs a body to its end, or until its lock is lost where that is to cancel it: then it gives nothing.
    pub(crate) struct UnlessLost<F> {
        #[pin]
        body: Within<F>,
        lost: Option<Attended<()>>,
    }
}

impl<F: Future> UnlessLost<F> {
    pub(crate) fn new(body: Within<F>, lock: &LockHandle, on_lost: OnLost) -> Self {
        Self { body, lost: (on_lost == OnLost::Cancel).then(|| lock.watch()) }
    }

    /// What the caller of a body that was cancelled is told.
    pub(crate) fn error(lock: &LockHandle) -> Error {
        lock.loss("was lost while the body ran, which was cancelled (`on_lost = \"cancel\"`)")
    }
}

impl<F: Future> Future for UnlessLost<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The body first: what it has done in time is not thrown away.
        if let Poll::Ready(returned) = this.body.poll(context) {
            return Poll::Ready(Some(returned));
        }
        match this.lost {
            Some(lost) => Pin::new(lost).poll(context).map(|_| None),
            None => Poll::Pending,
        }
    }
}
