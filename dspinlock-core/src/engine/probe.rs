//! What a test sees of the calls of a client.

use crate::engine::ending::Ending;
use crate::engine::spec::Spec;
use crate::error::Error;
use crate::format::record::Record;

/// Is told of what the callers of a client do. A client of a server has none.
pub(crate) trait Probe: Send + Sync {
    fn saw(&self, spec: &Spec, event: Event<'_>);
}

/// One thing that a caller does, or that happens to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// It is about to ask for the lock.
    Asks,
    /// It has to wait, with the other callers of its process.
    Waits,
    /// It holds the lock, with this fencing token.
    Acquired(u64),
    /// It runs the body, under the lock or without it.
    Runs { locked: bool },
    /// It got a value that was computed before.
    Served,
    /// It goes away without the lock, since the key has this record.
    TurnedAway(&'a Record),
    /// It gets this error.
    Refused(&'a Error),
    /// It gives the lock back.
    Ends(&'a Ending),
    /// It hands the lock to the next caller of its process.
    HandsOver,
}
