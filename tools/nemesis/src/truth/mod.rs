//! What the server did, by its own account: `MONITOR`, which shows each command of each script in its order.

mod line;
mod monitor;
mod turns;

use serde::{Deserialize, Serialize};

pub(crate) use monitor::Monitor;
pub(crate) use turns::{End, Truth, Turn};

/// One thing that a server did to a record, or to the fence beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub(crate) at: u64,
    pub(crate) server: u32,
    pub(crate) key: u64,
    /// The tags in the arguments of the script that did it; nothing where no script did.
    pub(crate) by: Vec<String>,
    #[serde(flatten)]
    pub(crate) act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub(crate) enum Act {
    /// Wrote a record, to live for so many microseconds.
    Set {
        tag: String,
        computed: bool,
        life: u64,
    },
    /// Gave or reserved fencing tokens up to this one.
    Fence {
        top: u64,
    },
    /// Had the record live so many microseconds from now on.
    Renew {
        life: u64,
    },
    Delete,
    /// All keys are gone.
    Flushed,
    /// From now on this server is seen; what it had before is not known.
    Attached,
}
