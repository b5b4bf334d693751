//! The nodes of the graph of waits, and how a cycle of them reads.

use crate::engine::spec::Spec;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::thread::{self, ThreadId};
use tokio::runtime::{self, Handle, RuntimeFlavor};
use tokio::sync::Notify;

/// One call that may run a body. Two are the same if their addresses are.
#[derive(Debug)]
pub(crate) struct Run {
    /// The [address](crate::engine::core::Core::address) of the client's core, which lives as long as the call.
    pub(crate) core: usize,
    pub(crate) lock: Arc<Spec>,
    /// Notified when this call begins to wait, so that the calls that wait for it look for a cycle again.
    pub(crate) changed: Notify,
}

impl Run {
    pub(super) fn new(core: usize, lock: &Arc<Spec>) -> Arc<Self> {
        Arc::new(Self { core, lock: Arc::clone(lock), changed: Notify::new() })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.lock.function.unwrap_or("a computation in code");
        write!(f, "`{name}` of key {}", self.lock.text())
    }
}

/// What waits, or is waited for.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Call(Arc<Run>),
    /// The holder of this call's lock, if it is a call of this process.
    Lock(Arc<Run>),
    /// A thread that polls a current-thread runtime. While it is blocked, nothing of that runtime goes on.
    Thread(Polling),
    /// The calls that are queued for this call's lock and have to be polled by this thread.
    Ahead(Polling, Arc<Run>),
    /// One of the calls in [`Ahead`](Self::Ahead). It is no [`Call`](Self::Call), since it may still get a value in place of
    /// the lock, and then needs no thread.
    Queued(Arc<Run>),
}

/// A thread, and the runtime that only this thread polls.
pub(super) type Polling = (ThreadId, runtime::Id);

fn same_lock(one: &Run, other: &Run) -> bool {
    one.core == other.core && one.lock.names.record == other.lock.names.record
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call(one), Self::Call(other)) | (Self::Queued(one), Self::Queued(other)) => {
                Arc::ptr_eq(one, other)
            }
            (Self::Lock(one), Self::Lock(other)) => same_lock(one, other),
            (Self::Thread(one), Self::Thread(other)) => one == other,
            (Self::Ahead(one, lock), Self::Ahead(other, same)) => one == other && same_lock(lock, same),
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Call(run) | Self::Queued(run) => Arc::as_ptr(run).hash(state),
            Self::Lock(run) | Self::Ahead(_, run) => (run.core, &run.lock.names.record).hash(state),
            Self::Thread(thread) => thread.hash(state),
        }
    }
}

/// This thread, if it alone polls the runtime that it is in. A thread of `spawn_blocking` polls nothing, and has another id.
pub(super) fn polling() -> Option<Polling> {
    let handle = Handle::try_current().ok()?;
    let polls_alone = handle.runtime_flavor() == RuntimeFlavor::CurrentThread;
    polls_alone.then(|| (thread::current().id(), handle.id()))
}

/// Describes the cycle that waiting would close, from what would be waited for to what would stand still meanwhile.
pub(super) fn describe(way: &[Node]) -> String {
    let mut text = String::from("a cycle of calls that wait for each other: this call waits for ");
    let mut before: Option<&Node> = None;
    for node in way {
        let (words, call) = match (before, node) {
            (None, Node::Call(run) | Node::Queued(run)) => ("", Some(run)),
            (Some(Node::Thread(..)), Node::Call(run)) => (" that waits for ", Some(run)),
            (Some(_), Node::Call(run) | Node::Queued(run)) => (", which waits for ", Some(run)),
            (_, Node::Thread(..)) => (", which has to be polled by a thread", None),
            // The next node is the call itself.
            (_, Node::Lock(_) | Node::Ahead(..)) => continue,
        };
        text.push_str(words);
        text.extend(call.map(ToString::to_string));
        before = Some(node);
    }
    text.push_str(match before {
        Some(Node::Thread(..)) => ", which is this one and blocked by this call; ",
        _ => ", which makes this call; ",
    });
    text.push_str(if way.iter().any(|node| matches!(node, Node::Thread(..))) {
        "on the thread of a current-thread runtime, call the async form, or make the blocking call in \
         `tokio::task::spawn_blocking`"
    } else {
        "have one of them call a function that is not annotated, or compute first what both need"
    });
    text
}
