//! Shutting a client down: it gives back all that it holds, and takes no more locks.

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
    // Waiters see that the client is closed.
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
    /// Gives back all locks that this client and its clones hold, and takes no more. For the end of a process, so that
    /// no other process has to wait for its leases.
    ///
    /// It waits for the server's confirmation, for at most `deadline`. It does not wait for holders: from this moment
    /// their guards are not held, [`lost`] completes, and a release returns `Lost`. So let running work finish first,
    /// as far as there is time. Callers that wait for a lock, and later ones, get an error of kind `Closed`.
    ///
    /// Dropping the future does not stop it.
    ///
    /// # Errors
    ///
    /// `Backend` if the server did not confirm everything in time. The library goes on trying while the process lives.
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
