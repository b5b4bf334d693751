//! What a call does when its lock is lost while the body runs, or when the server is out of reach.

use crate::engine::core::Core;
use crate::engine::handle::LockHandle;
use crate::engine::spec::Spec;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{OnLost, OnOutage};
use crate::worker::Attended;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A lock with everything derived, and what to do when the server is out of reach.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) core: Arc<Core>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) on_outage: OnOutage,
}

impl Resolved {
    /// The handle of a body that runs without the lock after `error`.
    ///
    /// # Errors
    ///
    /// `error` itself, if the body is not to run.
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

pin_project! {
    /// Runs a body to its end. With [`OnLost::Cancel`], a loss of the lock ends it earlier, and the output is `None`.
    pub(crate) struct UnlessLost<F> {
        #[pin]
        body: F,
        lost: Option<Attended<()>>,
    }
}

impl<F> UnlessLost<F> {
    pub(crate) fn new(body: F, lock: &LockHandle, on_lost: OnLost) -> Self {
        Self { body, lost: (on_lost == OnLost::Cancel).then(|| lock.watch()) }
    }
}

impl<F: Future> Future for UnlessLost<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The body first, so that a result that came in time is not thrown away.
        if let Poll::Ready(returned) = this.body.poll(context) {
            return Poll::Ready(Some(returned));
        }
        match this.lost {
            Some(lost) => Pin::new(lost).poll(context).map(|_| None),
            None => Poll::Pending,
        }
    }
}

/// The error of a caller whose body was cancelled.
pub(crate) fn cancelled(lock: &LockHandle) -> Error {
    let grant = &lock.hold().grant;
    tracing::warn!(
        target: "dspinlock", key = %grant.spec.key, function = grant.spec.function, fence = grant.fence,
        held = ?grant.held_for(), "the lock is lost: the body is cancelled, as `on_lost = \"cancel\"` says"
    );
    lock.loss("lost while the body ran, which was cancelled (`on_lost = \"cancel\"`)")
}
