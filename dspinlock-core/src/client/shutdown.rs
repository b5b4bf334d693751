//! The end of a client: everything that it holds is given back, and nothing is taken any more.

use super::{Client, Core};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Whether a client still takes locks, and how much of what it gives back is on its way.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    closed: AtomicBool,
    on_their_way: AtomicUsize,
    settled: Notify,
}

impl Closing {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits until nothing is on its way.
    async fn settled(&self) {
        loop {
            // Made before the look, so that no change is missed in between.
            let settled = self.settled.notified();
            if self.on_their_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            settled.await;
        }
    }
}

/// Something that is being given back, while this lives.
#[derive(Debug)]
pub(crate) struct OnItsWay(Arc<Core>);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let closing = &self.0.closing;
        if closing.on_their_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            closing.settled.notify_waiters();
        }
    }
}

impl Core {
    /// Notes that something is being given back.
    pub(crate) fn on_its_way(self: &Arc<Self>) -> OnItsWay {
        self.closing.on_their_way.fetch_add(1, Ordering::SeqCst);
        OnItsWay(Arc::clone(self))
    }

    /// Refuses to take locks once the client was shut down.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closing.is_closed() {
            return Err(Error::new(
                ErrorKind::Closed,
                "the client was shut down and takes no locks any more",
            ));
        }
        Ok(())
    }

    async fn shut_down(self: Arc<Self>, deadline: Duration) -> Result<()> {
        self.closing.closed.store(true, Ordering::SeqCst);
        let held = self.renewer.held();
        tracing::info!(target: "dspinlock", locks = held.len(), "shutting down: giving back all locks");
        for hold in &held {
            hold.revoke();
        }
        // Who waits is told.
        self.store.wakeups().wake_all();
        self.lines.call_all();
        tokio::time::timeout(deadline, self.closing.settled()).await.map_err(|_| {
            let left = self.closing.on_their_way.load(Ordering::SeqCst);
            let what = format!(
                "{left} lock(s) could not be given back within {deadline:?}; they end with their leases"
            );
            Error::new(ErrorKind::Backend, what)
        })
    }
}

impl Client {
    /// Gives back all locks that this client and its clones hold, and takes none any more: for the end of a process, so
    /// that nobody has to wait for its leases. Waits for the server's confirmation, `deadline` at the most.
    ///
    /// Holders are not waited for: their guards are not held any more from this moment on, [`lost`] comes true, and what
    /// they release is `Lost`. So let the work that is under way come to its end first, as far as there is time. Callers
    /// that wait for a lock, and those that come later, get an error of kind `Closed`.
    ///
    /// Dropping the future does not stop it.
    ///
    /// # Errors
    ///
    /// `Backend` if the server did not confirm everything in time; the rest goes on being tried while the process lives.
    ///
    /// ```
    /// # use dspinlock::{Client, ErrorKind};
    /// # use std::time::Duration;
    /// let client = Client::memory();
    /// let guard = client.lock("example").acquire_blocking()?;
    /// client.shutdown_blocking(Duration::from_secs(5))?; // in a handler of SIGTERM, say
    /// assert!(!guard.is_held());
    /// assert_eq!(client.lock("other").acquire_blocking().unwrap_err().kind(), ErrorKind::Closed);
    /// # Ok::<(), dspinlock::Error>(())
    /// ```
    ///
    /// [`lost`]: crate::LockHandle::lost
    pub async fn shutdown(&self, deadline: Duration) -> Result<()> {
        self.core.worker.finish(self.core().shut_down(deadline)).await
    }

    /// [`shutdown`](Self::shutdown), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn shutdown_blocking(&self, deadline: Duration) -> Result<()> {
        self.core.worker.block_on(self.core().shut_down(deadline))
    }
}
