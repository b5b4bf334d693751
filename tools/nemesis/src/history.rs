//! What the workers did: one file of JSON lines a process, an event a line, all by one clock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::now;

/// The name of one operation of one process, as the record in Redis has it too: `process-number`.
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

/// How a holding was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    Release,
    Abandon,
    /// By a drop, a panic or an aborted task: nobody hears how it went.
    Drop,
    /// The body of an annotated function is over, with success or not.
    Publish,
    Fail,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum What {
    /// The caller asks, and is ready to wait for so many microseconds.
    Invoke { call: Call, budget: u64 },
    /// Granted, believed to be held until `deadline`: the body starts.
    Ok { fence: u64, deadline: u64 },
    /// Told no; `run` is the operation that failed, where the caller is told of that.
    Fail {
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Op>,
    },
    /// An error, or dropped: nobody knows what the server made of it.
    Info { kind: String },
    /// Told that it is held; `since` is from just before the question, `deadline` what was known then.
    Claim { fence: u64, since: u64, deadline: u64 },
    /// Told that it is not held any more.
    Lost { fence: u64 },
    /// Wrote to the fenced register.
    Write { fence: u64, accepted: bool },
    /// The holder has stopped to act, and is about to give the lock back.
    Release { fence: u64, how: How },
    /// What it was told of that: `ok`, `dropped`, or the kind of error.
    Released { fence: u64, kind: String },
    /// A caller of a cached function was given a value, computed by the operation `run`.
    Value { run: Op, fence: u64, whole: bool },
    /// The operation is over, and nothing was held or is held.
    Done,
    /// What the process uses.
    Gauge { threads: u64, files: u64, memory_kb: u64 },
}

/// A writer's end of a file of JSON lines.
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

/// Appends a line by one write, so that a process which is killed leaves whole lines behind.
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
