//! A store with two clients, and a body that signals that it runs and waits until it may continue.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use dspinlock::{Client, Error};
use dspinlock_testkit::Server;
use serde::{Deserialize, Serialize};

/// A test that waits longer for a signal hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) enum AppError {
    Lock(Error),
    Own(String),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) day: String,
    pub(crate) run: u32,
}

/// Two clients of one store. On Redis they share nothing else, as two processes do.
pub(crate) struct Rig {
    pub(crate) ours: Client,
    pub(crate) theirs: Client,
    pub(crate) server: Option<Server>,
}

/// One rig for each store.
pub(crate) fn rigs() -> [Rig; 2] {
    let memory = Client::memory();
    [Rig { ours: memory.clone(), theirs: memory, server: None }, redis()]
}

pub(crate) fn redis() -> Rig {
    let server = Server::start();
    let connect = || Client::from_url(&server.url()).unwrap();
    Rig { ours: connect(), theirs: connect(), server: Some(server) }
}

/// Counts the runs of a body, and makes them fail.
#[derive(Default)]
pub(crate) struct Runs {
    count: AtomicU32,
    failing: Mutex<Option<String>>,
}

impl Runs {
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// From now on the body fails with this message, or succeeds.
    pub(crate) fn fail(&self, message: Option<&str>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = message.map(ToOwned::to_owned);
    }

    /// One run.
    pub(crate) fn run(&self) -> Result<u32, AppError> {
        let run = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        match &*self.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(AppError::Own(message.clone())),
            None => Ok(run),
        }
    }
}

/// The body's end of a pair of signals.
pub(crate) struct Body {
    entered: SyncSender<()>,
    finish: Mutex<Receiver<()>>,
}

/// The test's end.
pub(crate) struct Test {
    entered: Receiver<()>,
    finish: SyncSender<()>,
}

pub(crate) fn signals() -> (Body, Test) {
    let ((enter, entered), (finish, finished)) = (sync_channel(100), sync_channel(100));
    (Body { entered: enter, finish: Mutex::new(finished) }, Test { entered, finish })
}

impl Body {
    pub(crate) fn wait(&self) {
        self.entered.send(()).unwrap();
        self.finish.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE).unwrap();
    }
}

impl Test {
    /// Waits until the body runs.
    pub(crate) fn entered(&self) {
        self.entered.recv_timeout(PATIENCE).unwrap();
    }

    /// Lets one run continue.
    pub(crate) fn finish(&self) {
        self.finish.send(()).unwrap();
    }
}

/// A place that no caller leaves before the expected number has been inside at once.
pub(crate) struct Meeting {
    expected: u32,
    inside: Mutex<u32>,
    complete: Condvar,
}

impl Meeting {
    pub(crate) fn of(expected: u32) -> Self {
        Self { expected, inside: Mutex::new(0), complete: Condvar::new() }
    }

    pub(crate) fn attend(&self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside += 1;
        self.complete.notify_all();
        let wait = self.complete.wait_timeout_while(inside, PATIENCE, |inside| *inside < self.expected);
        let (inside, _) = wait.unwrap_or_else(PoisonError::into_inner);
        assert!(*inside >= self.expected, "{} of {} are inside", *inside, self.expected);
    }
}
