//! What the server did, as `MONITOR` shows it: each command of each script in its order.

mod line;
mod monitor;
mod turns;

use serde::{Deserialize, Serialize};

pub(crate) use monitor::Monitor;
pub(crate) use turns::{End, Truth, Turn};

/// The nodes of a cluster have numbers from here on. They move keys from one to another, so that what one of them knows of a
/// key says nothing without the others.
pub(crate) const NODES: u32 = 1_000;

/// A change of a record or of its fence by a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub(crate) at: u64,
    pub(crate) server: u32,
    pub(crate) key: u64,
    /// The tags in the arguments of the script that made it. Empty if no script did.
    pub(crate) by: Vec<String>,
    #[serde(flatten)]
    pub(crate) act: Act,
}

impl Fact {
    /// The server that has the key, or the cluster.
    fn place(&self) -> u32 {
        self.server.min(NODES)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub(crate) enum Act {
    /// Wrote a record that lives for `life` microseconds.
    Set {
        tag: String,
        computed: bool,
        life: u64,
    },
    /// Gave or reserved fencing tokens up to this one.
    Fence {
        top: u64,
    },
    /// Set the record's remaining life in microseconds.
    Renew {
        life: u64,
    },
    Delete,
    /// All keys are gone.
    Flushed,
    /// The monitor starts. What the server had before is unknown.
    Attached,
}
