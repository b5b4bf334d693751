//! The annotated functions, and their value, which names the run that computed it.

use std::thread;

use dspinlock::{Error, LockHandle, dspinlock};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use super::call::{Call, Fate, Holding};
use super::{EXPIRE, LEASE, ON_PURPOSE, SLEEP, caches};
use crate::history::{How, Op};

pub(crate) const NAMESPACE: &str = "nemesis";

/// Long enough to be torn if values were read in parts.
const FILLER: usize = 3_000;

/// It names the run that computed it in each of its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Value {
    pub(super) run: Op,
    pub(super) key: u64,
    pub(super) fence: u64,
    filler: String,
}

impl Value {
    fn new(call: &Call, fence: u64) -> Self {
        Self { run: call.op.clone(), key: call.key, fence, filler: filler(&call.op, fence) }
    }

    /// Whether all of it is the value of one run, and of this key.
    pub(super) fn is_whole(&self, key: u64) -> bool {
        self.key == key && self.filler == filler(&self.run, self.fence)
    }
}

fn filler(run: &str, fence: u64) -> String {
    let part = format!("{run}/{fence};");
    part.repeat(FILLER / part.len())
}

#[derive(Debug)]
pub(super) enum AppError {
    Lock(Error),
    /// An error of the body, with its run.
    Own(Op),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self::Lock(error)
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::Own(run) => write!(f, "no luck in run {run} today"),
        }
    }
}

/// Ends a body by its fate.
fn end(call: &Call, holding: Holding<'_>, fence: u64) -> Result<Value, AppError> {
    match call.fate {
        Fate::Succeeds => {
            holding.end(How::Publish);
            Ok(Value::new(call, fence))
        }
        Fate::Fails => {
            holding.end(How::Fail);
            Err(AppError::Own(call.op.clone()))
        }
        Fate::Panics => panic!("{ON_PURPOSE}"),
        Fate::Dies => die(),
    }
}

pub(super) fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    unreachable!("killed")
}

/// Without a handle where the call is one of `get_or_compute`.
pub(super) fn compute(call: &Call, lock: Option<&LockHandle>) -> Result<Value, AppError> {
    let mut holding = Holding::begin(call, lock);
    caches::forget_meanwhile(call);
    for step in &call.steps {
        thread::sleep(*step);
        holding.act();
    }
    end(call, holding, lock.map_or(0, LockHandle::fencing_token))
}

pub(super) async fn compute_later(call: &Call, lock: Option<&LockHandle>) -> Result<Value, AppError> {
    let mut holding = Holding::begin(call, lock);
    caches::forget_meanwhile_later(call).await;
    for step in &call.steps {
        tokio::time::sleep(*step).await;
        holding.act();
    }
    end(call, holding, lock.map_or(0, LockHandle::fencing_token))
}

/// A blocking and an async function, and what they convert a value into.
macro_rules! doors {
    ($call:ident: $blocking:ident, $later:ident -> $returns:ty: $done:expr, $($mode:tt)*) => {
        #[dspinlock(
            client = $call.client, namespace = "nemesis", key = $call.key, expire = EXPIRE, lease = LEASE, guard = lock,
            $($mode)*
        )]
        pub(super) fn $blocking($call: &Call) -> Result<$returns, AppError> {
            compute($call, Some(&lock)).map($done)
        }

        #[dspinlock(
            client = $call.client, namespace = "nemesis", key = $call.key, expire = EXPIRE, lease = LEASE, guard = lock,
            $($mode)*
        )]
        pub(super) async fn $later($call: &Call) -> Result<$returns, AppError> {
            compute_later($call, Some(&lock)).await.map($done)
        }
    };
}

doors!(call: cached, cached_later -> Value: |value| value, cached(schema = "value"), sleep = SLEEP, wait = call.budget);
doors!(call: once, once_later -> (): drop, once);
