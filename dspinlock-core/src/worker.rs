//! The library's one thread of its own, `dspinlock-io`: it runs the shared connection, the renewals, the waiting, and
//! the giving back after a drop. It outlives every runtime of the user's, so that no lock depends on one.

use crate::error::{Error, ErrorKind, Result};
use once_cell::sync::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

static WORKER: OnceCell<Worker> = OnceCell::new();

/// A way to the library's thread.
#[derive(Clone, Debug)]
pub(crate) struct Worker(Handle);

impl Worker {
    /// The thread of this process, started by the first call.
    ///
    /// # Errors
    ///
    /// Of kind `Backend` if the system refuses a thread.
    pub(crate) fn get() -> Result<Self> {
        WORKER.get_or_try_init(Self::start).cloned()
    }

    fn start() -> Result<Self> {
        let cannot = |why: std::io::Error| {
            Error::new(ErrorKind::Backend, format!("can't start the thread `dspinlock-io`: {why}"))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            // What callers hand over is taken before the connection's own task runs: commands that come together are
            // then written together. Otherwise each would be written by itself, which halves the throughput.
            .global_queue_interval(1)
            .build()
            .map_err(cannot)?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("dspinlock-io".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(cannot)?;
        Ok(Self(handle))
    }

    /// Runs `task` to its end, whatever becomes of the caller.
    pub(crate) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }

    /// Runs `task` while the returned future lives; dropping that aborts it at its next await.
    ///
    /// The returned future needs no runtime of its own.
    pub(crate) fn attend<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Attended<T> {
        Attended(self.0.spawn(task))
    }

    /// Runs `task` to its end, also if the returned future is dropped.
    ///
    /// The returned future needs no runtime of its own.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.0.spawn(task).await.unwrap_or_else(|_| Err(died()))
    }

    /// Runs `task` to its end while the calling thread waits.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = mpsc::sync_channel(1);
        self.detach(async move {
            // Nobody receives only if the waiting thread is gone, and it can't be before it has received.
            let _ = send.send(task.await);
        });
        receive.recv().unwrap_or_else(|_| Err(died()))
    }

    /// Runs blocking work away from the thread's own loop.
    #[cfg(feature = "redis")]
    pub(crate) async fn unblock<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.0.spawn_blocking(work).await.map_err(|_| died())
    }
}

/// A task of the library's thread that lives no longer than this.
pub(crate) struct Attended<T>(JoinHandle<Result<T>>);

impl<T> Future for Attended<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|done| done.unwrap_or_else(|_| Err(died())))
    }
}

impl<T> Drop for Attended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn died() -> Error {
    Error::new(ErrorKind::Backend, "a task of the library's own thread ended by a panic")
}
