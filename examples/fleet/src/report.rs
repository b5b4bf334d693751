//! The annotated functions: one report, computed once in the fleet, however many callers of either kind ask for it.
//!
//! A blocking and an async function share a lock if they name the same namespace and have the same key. The default namespace,
//! made from the name of the function, would keep them apart. They share the value as well, since they name the same schema:
//! without one, a value belongs to the function that computes it.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dspinlock::dspinlock;
use tokio::task;

use crate::Failure;
use crate::args::Mode;
use crate::digest::{self, Report};
use crate::log::{self, Event, Log};
use crate::output::{self, Message};

/// What a caller asks for, and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) root: PathBuf,
    pub(crate) to: PathBuf,
    /// The run of the fleet. It is the key, since a run asks for one report.
    pub(crate) run: String,
    pub(crate) mode: Mode,
    /// Whether the first process that computes is killed meanwhile.
    pub(crate) kill_leader: bool,
    pub(crate) out: PathBuf,
    pub(crate) caller: usize,
    pub(crate) log: Arc<Log>,
}

/// The first caller computes. The others wait for it and get its report. In one process they share it in memory.
#[dspinlock(
    key = request.run,
    namespace = "fleet",
    cached(schema = "report"),
    sleep = "100ms",
    lease = "2s",
    expire = "1m",
)]
fn report_once(request: &Request) -> Result<Arc<Report>, Failure> {
    request.compute().map(Arc::new)
}

/// [`report_once`] for tasks.
#[dspinlock(
    key = request.run,
    namespace = "fleet",
    cached(schema = "report"),
    sleep = "100ms",
    lease = "2s",
    expire = "1m",
)]
async fn report_once_async(request: &Request) -> Result<Arc<Report>, Failure> {
    request.compute_off_thread().await.map(Arc::new)
}

/// All callers compute, one after the other.
#[dspinlock(key = request.run, namespace = "fleet", sleep = "20ms", wait = "1h")]
fn report_each_time(request: &Request) -> Result<Report, Failure> {
    request.compute()
}

/// [`report_each_time`] for tasks.
#[dspinlock(key = request.run, namespace = "fleet", sleep = "20ms", wait = "1h")]
async fn report_each_time_async(request: &Request) -> Result<Report, Failure> {
    request.compute_off_thread().await
}

impl Request {
    /// Asks from a plain thread, and returns the report's digest.
    pub(crate) fn ask_blocking(&self) -> Result<String, Failure> {
        Ok(match self.mode {
            Mode::Cached => report_once(self)?.sha256.clone(),
            Mode::Lock => report_each_time(self)?.sha256,
        })
    }

    /// [`Request::ask_blocking`] from a task.
    pub(crate) async fn ask(&self) -> Result<String, Failure> {
        Ok(match self.mode {
            Mode::Cached => report_once_async(self).await?.sha256.clone(),
            Mode::Lock => report_each_time_async(self).await?.sha256,
        })
    }

    /// The work itself, between its two lines in the log.
    fn compute(&self) -> Result<Report, Failure> {
        self.log.note(self.caller, Event::Start)?;
        output::tell(Message::Computing);
        if self.kill_leader && self.is_first()? {
            // The parent ends this process now.
            thread::sleep(Duration::from_secs(60));
            return Err("the parent has not killed this process".into());
        }
        let done = digest::write_report(&self.root, &self.to);
        self.log.note(self.caller, if done.is_ok() { Event::End } else { Event::Fail })?;
        done
    }

    /// Whether no caller of the fleet has begun to compute before.
    fn is_first(&self) -> Result<bool, Failure> {
        Ok(log::read(&self.out)?.iter().filter(|entry| entry.event == Event::Start).count() == 1)
    }

    /// [`Request::compute`] for a task, whose thread must not be kept by reading files.
    async fn compute_off_thread(&self) -> Result<Report, Failure> {
        let request = self.clone();
        task::spawn_blocking(move || request.compute()).await?
    }
}
