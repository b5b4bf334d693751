//! One call and its body, which does what the dice said, and tells the log.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dspinlock::{Client, DSpinlock, Error, ErrorKind, LockHandle};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use crate::keys::{Key, LEASE};
use crate::log::{Log, micros, now};

/// What a panic of a body says: those are not shown.
pub(crate) const ON_PURPOSE: &str = "on purpose";

/// What is computed: it names the run that did it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) key: String,
    pub(crate) run: String,
}

#[derive(Debug)]
pub(crate) enum AppError {
    Lock(Error),
    /// The run that failed.
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
            Self::Lock(error) => error.fmt(f),
            Self::Own(run) => write!(f, "no luck in run {run} today"),
        }
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeds,
    Fails,
    Panics,
    /// With its whole process.
    Dies,
}

pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) log: Arc<Log>,
    pub(crate) id: String,
    pub(crate) key: &'static Key,
    pub(crate) budget: Duration,
    pub(crate) fate: Fate,
    pub(crate) steps: Vec<Duration>,
    /// Whether the key is forgotten while the body runs, which then goes on without the lock.
    pub(crate) forgets: bool,
}

impl Call {
    pub(crate) fn compute(&self, lock: Option<&LockHandle>) -> Result<Value, AppError> {
        let run = self.start(lock);
        if self.forgets {
            let forgetting = self.forgetting();
            forgetting.tell(self.in_code().forget_blocking());
        }
        for step in &self.steps {
            thread::sleep(*step);
        }
        self.end(run)
    }

    pub(crate) async fn compute_later(&self, lock: Option<&LockHandle>) -> Result<Value, AppError> {
        let run = self.start(lock);
        if self.forgets {
            let forgetting = self.forgetting();
            forgetting.tell(self.in_code().forget().await);
        }
        for step in &self.steps {
            tokio::time::sleep(*step).await;
        }
        self.end(run)
    }

    pub(crate) fn start(&self, lock: Option<&LockHandle>) -> Run {
        let run = Run {
            log: Arc::clone(&self.log),
            id: self.log.id(),
            start: now(),
            lock: lock.cloned(),
            over: false,
        };
        let (fence, known) = lock.map_or((0, LEASE / 2), |lock| (lock.fencing_token(), lock.remaining()));
        let until = run.start + micros(known);
        self.log.write(format_args!("run {} {} {} {fence} {until}", run.id, self.id, self.key.name));
        run
    }

    fn end(&self, run: Run) -> Result<Value, AppError> {
        match self.fate {
            Fate::Succeeds => Ok(Value { key: self.key.name.to_owned(), run: run.end("ok") }),
            Fate::Fails => Err(AppError::Own(run.end("err"))),
            Fate::Panics => panic!("{ON_PURPOSE}"),
            Fate::Dies => {
                self.log.write("die");
                kill_process(getpid(), Signal::KILL).unwrap();
                unreachable!("killed")
            }
        }
    }

    /// A call of its own for the log.
    fn forgetting(&self) -> Forgetting {
        let (client, log, id) = (self.client.clone(), Arc::clone(&self.log), self.log.id());
        let call = Self { client, log, id, steps: Vec::new(), ..*self };
        call.begin();
        Forgetting { call, told: false }
    }

    pub(crate) fn forgot(&self, forgotten: Result<bool, Error>) {
        match forgotten {
            Ok(_) => self.outcome("forgot"),
            Err(error) => self.outcome(&failed(&error)),
        }
    }

    /// The same lock as the cached functions'.
    pub(crate) fn in_code(&self) -> DSpinlock {
        let lock = self.client.lock(self.key.name).namespace("stress");
        lock.expire(self.key.expire).lease(LEASE).max_block(self.budget).wait(self.budget)
    }

    pub(crate) fn begin(&self) {
        let budget = micros(self.budget);
        self.log.write(format_args!("call {} {} {budget}", self.id, self.key.name));
    }

    pub(crate) fn returned(&self, returned: Result<Value, AppError>) {
        let outcome = match returned {
            Ok(value) => format!("value {} {}", value.run, value.key),
            Err(AppError::Own(run)) => format!("own {run}"),
            Err(AppError::Lock(error)) => failed(&error),
        };
        self.outcome(&outcome);
    }

    pub(crate) fn outcome(&self, outcome: &str) {
        self.log.write(format_args!("ret {} {outcome}", self.id));
    }
}

/// How a caller tells of an error of the lock.
pub(crate) fn failed(error: &Error) -> String {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::LeaderFailed => {
            let run = text.split(' ').skip_while(|word| *word != "run").nth(1).unwrap_or("nobody");
            format!("failed {run}")
        }
        ErrorKind::Contended => "contended".to_owned(),
        kind => format!("error {kind:?} {text}"),
    }
}

/// A key that is being forgotten while a body runs, which may be dropped with that.
struct Forgetting {
    call: Call,
    told: bool,
}

impl Forgetting {
    fn tell(mut self, forgotten: Result<bool, Error>) {
        self.told = true;
        self.call.forgot(forgotten);
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        if !self.told {
            self.call.outcome("dropped forgetting");
        }
    }
}

/// A run of a body, or a holding; dropped in the middle it has ended all the same.
pub(crate) struct Run {
    log: Arc<Log>,
    id: String,
    start: u64,
    lock: Option<LockHandle>,
    over: bool,
}

impl Run {
    pub(crate) fn end(mut self, how: &str) -> String {
        self.tell(how);
        self.id.clone()
    }

    fn tell(&mut self, how: &str) {
        self.over = true;
        let at = now();
        let short = at - self.start < micros(LEASE / 2);
        let held = self.lock.as_ref().map_or(short, LockHandle::is_held);
        self.log.write(format_args!("end {} {how} {} {at}", self.id, u8::from(held)));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.tell("gone");
        }
    }
}
