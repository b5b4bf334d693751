//! What the workers did: a file of JSON lines for each process, a line for each event, all by one clock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::now;

/// The name of an operation, `process-number`. The record in Redis has it, too.
pub(crate) type Op = String;

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: u64,
    pub(crate) process: u32,
    pub(crate) op: Op,
    pub(crate) key: u64,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Call {
    Lock,
    Cached,
    Once,
    /// Marks a key COMPUTED without a value.
    Mark,
    /// Deletes the record and the value, whoever holds it.
    Forget,
}

/// How a holder ended its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    Release,
    Abandon,
    /// By a drop, a panic or an aborted task, which report no outcome.
    Drop,
    /// By the success of an annotated function's body.
    Publish,
    Fail,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum What {
    /// The caller asks, and waits for at most `budget` microseconds.
    Invoke { call: Call, budget: u64 },
    /// Granted, and held until `deadline` as far as the caller knows. The body starts.
    Ok { fence: u64, deadline: u64 },
    /// Refused. `run` is the operation that failed, if the caller was told of a failure.
    Fail {
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Op>,
    },
    /// An error, or dropped: the outcome on the server is unknown.
    Info { kind: String },
    /// Told that the lock is held. `since` is just before the question, `deadline` was known then.
    Claim { fence: u64, since: u64, deadline: u64 },
    /// Told that the lock is lost.
    Lost { fence: u64 },
    /// Wrote to the fenced register.
    Write { fence: u64, accepted: bool },
    /// The holder has stopped acting, and is about to give the lock back.
    Release { fence: u64, how: How },
    /// The outcome of that: `ok`, `dropped`, or the kind of error.
    Released { fence: u64, kind: String },
    /// A caller of a cached function got a value that the operation `run` computed.
    Value { run: Op, fence: u64, whole: bool },
    /// The operation is over without a turn.
    Done,
    /// The resources of the process.
    Gauge { threads: u64, files: u64, memory_kb: u64 },
}

/// Writes a file of JSON lines.
pub(crate) struct Log {
    file: File,
    process: u32,
    ops: AtomicU64,
}

impl Log {
    /// # Errors
    /// If the file can't be opened.
    pub(crate) fn open(path: &Path, process: u32) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, process, ops: AtomicU64::new(1) })
    }

    pub(crate) fn next_op(&self) -> Op {
        format!("{}-{}", self.process, self.ops.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn write(&self, op: &str, key: u64, what: What) {
        append(&self.file, &Event { at: now(), process: self.process, op: op.to_owned(), key, what });
    }
}

/// Appends a line in one write, so that a killed process leaves whole lines behind.
///
/// # Panics
/// If the disk is full: a history with holes proves nothing.
pub(crate) fn append(mut file: &File, line: &impl Serialize) {
    let mut text = serde_json::to_vec(line).expect("plain data is JSON");
    text.push(b'\n');
    file.write_all(&text).expect("the history can be written");
}

/// Reads a file of JSON lines.
///
/// # Errors
/// If it can't be read, or a line is not what it should be.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}
