//! The library's own thread, `dspinlock-io`. It does what must outlive a caller: it renews, waits for the server, and gives
//! back what is dropped. It outlives every runtime of the user, so that no lock depends on one. Large values have a
//! thread of their own.

use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::lock;
use crate::timers::{Timer, Timers};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

static WORKER: Mutex<Option<Worker>> = Mutex::new(None);

/// A handle of the library's thread.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    runtime: Handle,
    timers: Timers,
    /// The process that has the thread. A fork of it has none.
    process: u32,
}

impl Worker {
    /// The thread of this process. The first call starts it, and the first one after a fork starts another.
    ///
    /// # Errors
    ///
    /// `Backend` if the system refuses a thread.
    pub(crate) fn get() -> Result<Self> {
        Self::at(&WORKER, "dspinlock-io")
    }

    /// The thread of this process that `slot` keeps. The first call starts it, and the first call after a fork.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) fn at(slot: &Mutex<Option<Self>>, name: &str) -> Result<Self> {
        let mut worker = lock(slot);
        match &*worker {
            Some(known) if known.is_here() => Ok(known.clone()),
            _ => Ok(worker.insert(Self::start(name)?).clone()),
        }
    }

    /// Refuses to go on in a fork of the process that has the thread. Nothing would end a wait there.
    ///
    /// # Errors
    ///
    /// `Misuse`.
    pub(crate) fn check_here(&self) -> Result<()> {
        check_process(self.process)
    }

    /// Returns whether the thread belongs to this process.
    pub(crate) fn is_here(&self) -> bool {
        self.check_here().is_ok()
    }

    fn start(name: &str) -> Result<Self> {
        let cannot = |why: std::io::Error| {
            Error::new(ErrorKind::Backend, format!("can't start the thread `{name}`: {why}")).caused_by(why)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            // New tasks of callers run before the connection's own task, so that commands that come together are
            // written together. With one write for each, the throughput would be half.
            .global_queue_interval(1)
            .build()
            .map_err(cannot)?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(cannot)?;
        Ok(Self { runtime: handle, timers: Timers::default(), process: std::process::id() })
    }

    /// Returns whether the calling code runs on the thread.
    #[cfg(feature = "redis")]
    pub(crate) fn is_current(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.runtime.id())
    }

    /// Runs `future` in place, until it is done or `at` has come. It needs no runtime of the caller's.
    ///
    /// In a fork of the process that has the thread, the time limit ends nothing: [check](Self::check_here) first.
    pub(crate) fn limit<F: Future>(&self, at: Tick, future: F) -> Limited<'_, F> {
        Limited { future, at, timer: None, worker: self }
    }

    /// Starts a task; `None` in a fork of the process that has the thread.
    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.is_here().then(|| self.runtime.spawn(task))
    }

    /// Runs `task` to its end, independently of the caller.
    pub(crate) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.spawn(task));
    }

    /// Runs `task` while the returned future lives. Dropping the future aborts the task at its next await.
    ///
    /// The returned future needs no runtime of its own.
    pub(crate) fn attend<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Attended<T> {
        Attended(self.spawn(task))
    }

    /// Runs `task` to its end, even if the returned future is dropped after its first poll.
    ///
    /// The returned future needs no runtime of its own.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.spawn(task) {
            Some(task) => task.await.unwrap_or_else(|_| Err(died())),
            None => Err(forked()),
        }
    }

    /// Runs `task` to its end while the calling thread waits.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.check_here()?;
        let (send, receive) = mpsc::sync_channel(1);
        self.detach(async move {
            // The receiver is there: the calling thread waits for this.
            let _ = send.send(task.await);
        });
        receive.recv().unwrap_or_else(|_| Err(died()))
    }
}

/// A task of the library's thread. Dropping this aborts it.
pub(crate) struct Attended<T>(Option<JoinHandle<Result<T>>>);

impl<T> Future for Attended<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(task) => Pin::new(task).poll(context).map(|done| done.unwrap_or_else(|_| Err(died()))),
            None => Poll::Ready(Err(forked())),
        }
    }
}

impl<T> Drop for Attended<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

pin_project! {
    /// A future with a time limit. The output is `None` if the limit came first.
    pub(crate) struct Limited<'a, F> {
        #[pin]
        future: F,
        at: Tick,
        timer: Option<Timer>,
        worker: &'a Worker,
    }
}

impl<F: Future> Future for Limited<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The future first: what is there already is taken even with no time left.
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Some(output));
        }
        if Tick::now() >= *this.at {
            return Poll::Ready(None);
        }
        if let Some(timer) = this.timer {
            timer.wakes(context.waker());
        } else {
            let (worker, timers) = (*this.worker, &this.worker.timers);
            let start = || worker.detach(timers.clone().run());
            *this.timer = Some(timers.add(*this.at, context.waker().clone(), start));
        }
        Poll::Pending
    }
}

/// Refuses to go on in a fork of the process `made_in`: locks and connections belong to the parent, and the library's
/// thread is not here.
///
/// # Errors
///
/// `Misuse`.
pub(crate) fn check_process(made_in: u32) -> Result<()> {
    if std::process::id() == made_in { Ok(()) } else { Err(forked()) }
}

fn forked() -> Error {
    Error::new(
        ErrorKind::Misuse,
        "this process was forked from the one that made the client; make clients after the fork",
    )
}

fn died() -> Error {
    Error::new(
        ErrorKind::Backend,
        "a task of the library's own thread ended by a panic; its message is in the standard error of this process",
    )
}
