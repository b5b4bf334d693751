//! The end of a client: everything that it holds is given back, and nothing is taken any more.

use crate::api::client::Client;
use crate::engine::core::Core;
use crate::engine::hold::Hold;
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

async fn shut_down(core: Arc<Core>, deadline: Duration) -> Result<()> {
    core.closing.close();
    let held = core.renewer.held();
    tracing::info!(target: "dspinlock", locks = held.len(), "shutting down: giving back all locks");
    for grant in held {
        Hold::new(Arc::clone(&core), grant).revoke();
    }
    // Those who wait are told.
    core.store.wakeups().wake_all();
    core.queues.wake_each_first();
    tokio::time::timeout(deadline, core.closing.settled()).await.map_err(|_| {
        let left = core.closing.number();
        let what =
            format!("{left} lock(s) could not be given back within {deadline:?}; they end with their leases");
        Error::new(ErrorKind::Backend, what)
    })
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
        let core = self.core();
        core.worker.clone().finish(shut_down(core, deadline)).await
    }

    /// [`shutdown`](Self::shutdown), blocking the calling thread.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn shutdown_blocking(&self, deadline: Duration) -> Result<()> {
        let core = self.core();
        core.worker.clone().block_on(shut_down(core, deadline))
    }
}
