//! The log of the faults of servers, wires and processes, by the same clock.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::history::append;

/// The first process in a slot has the number of the slot. Each that follows it adds this.
pub(crate) const SLOTS: u32 = 100;

/// The keys that a fault makes the servers lose, so that a second grant is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Loss {
    #[default]
    Nothing,
    All,
    Key(u64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The slot of the process that it concerns, or `None` for all.
    pub(crate) slot: Option<u32>,
    pub(crate) loses: Loss,
    /// Whether the process and the server may not reach each other meanwhile.
    pub(crate) away: bool,
}

impl Fault {
    pub(crate) fn concerns(&self, process: u32) -> bool {
        self.slot.is_none_or(|slot| slot == process % SLOTS)
    }

    pub(crate) fn loses(&self, key: u64) -> bool {
        self.loses == Loss::All || self.loses == Loss::Key(key)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "lowercase")]
pub(crate) enum Entry {
    Fault(Fault),
    /// A process has died.
    Death {
        process: u32,
        at: u64,
    },
    /// The server was not monitored, so its last actions before it was killed are unknown.
    Blind {
        from: u64,
        to: u64,
    },
    /// The machine stalled: a thread that was ready could not run.
    Stall {
        from: u64,
        to: u64,
    },
}

/// The controller's file.
#[derive(Clone)]
pub(crate) struct FaultLog(Arc<File>);

impl FaultLog {
    /// # Errors
    /// If the file can't be opened.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    pub(crate) fn write(&self, entry: &Entry) {
        append(&self.0, entry);
    }

    /// A fault from `from` until now.
    pub(crate) fn fired(&self, name: &str, from: u64, slot: Option<u32>, loses: Loss, away: bool) {
        let (name, to) = (name.to_owned(), now());
        self.write(&Entry::Fault(Fault { name, from, to, slot, loses, away }));
    }
}
