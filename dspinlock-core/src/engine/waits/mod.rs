//! Calls of this process that wait for each other, so that a cycle is an error at once, and not a wait for `max_block`.
//!
//! What is known: which annotated functions surround a call (their [scopes](crate::engine::scope)), which call leads a flight or
//! holds a lock, and which thread has to poll it. What isn't: other processes, a [`Guard`](crate::Guard) in somebody's
//! hands, and work that a body spawns and waits for. There a warning tells of the wait. A wait that its body would give up
//! by itself, as in a `timeout`, counts as long as it lasts: it could only end by being given up.

mod graph;
#[cfg(test)]
mod tests;

use crate::engine::scope::{Scope, Stack};
use crate::engine::spec::Spec;
use crate::error::{ErrorKind, Result};
use graph::Graph;
use once_cell::sync::Lazy;
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, LocalKey, ThreadId};
use tokio::runtime::{self, Handle, RuntimeFlavor};
use tokio::sync::Notify;

static WAITS: Lazy<Mutex<Graph<Node>>> = Lazy::new(Mutex::default);

fn waits() -> MutexGuard<'static, Graph<Node>> {
    // Every change leaves the graph whole.
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call that may run a body. Its address is its identity.
#[derive(Debug)]
pub(crate) struct Run {
    /// The [address](crate::engine::core::Core::address) of the client's core: the call keeps it there.
    pub(crate) core: usize,
    pub(crate) lock: Arc<Spec>,
    /// Tells those who wait for this call that it has begun to wait itself, so that they look for a cycle again.
    pub(crate) changed: Notify,
}

impl Run {
    fn new(core: usize, lock: &Arc<Spec>) -> Arc<Self> {
        Arc::new(Self { core, lock: Arc::clone(lock), changed: Notify::new() })
    }
}

/// The body of an annotated function runs, and this call's lock is held for it.
impl Scope for Arc<Run> {
    fn stack() -> &'static LocalKey<Stack<Self>> {
        thread_local! {
            static RUNS: Stack<Arc<Run>> = const { RefCell::new(Vec::new()) };
        }
        &RUNS
    }
}

/// The calls around the code that runs here, the outermost first.
fn surrounding(each: impl FnMut(&Arc<Run>)) {
    Arc::<Run>::stack().with_borrow(|runs| runs.iter().for_each(each));
}

/// Refuses a lock that the surrounding code holds: it would wait for itself, or be turned away by itself.
pub(crate) fn check_recursion(core: usize, spec: &Spec) -> Result<()> {
    let mut inside = false;
    surrounding(|run| inside |= run.core == core && run.lock.names.record == spec.names.record);
    if inside {
        let what = "a recursive call: the function that is running here holds this very key and would wait for itself, or \
                    be turned away by itself; lock only the outer call, or give the inner one another key";
        return Err(spec.error(ErrorKind::Misuse, what));
    }
    Ok(())
}

/// What waits, or is waited for.
#[derive(Clone, Debug)]
enum Node {
    Call(Arc<Run>),
    /// The holder of this call's lock, if it is a call of this process.
    Lock(Arc<Run>),
    /// A thread that polls a current-thread runtime: while it is blocked, nothing of that runtime goes on.
    Thread(Polling),
    /// The calls that stand in line for this call's lock and have to be polled by this thread.
    Ahead(Polling, Arc<Run>),
    /// This call as one of those: it may yet get a value in place of the lock, and then needs no thread.
    Standing(Arc<Run>),
}

/// A thread, and the runtime that it alone polls.
type Polling = (ThreadId, runtime::Id);

fn same_lock(one: &Run, other: &Run) -> bool {
    one.core == other.core && one.lock.names.record == other.lock.names.record
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call(one), Self::Call(other)) | (Self::Standing(one), Self::Standing(other)) => {
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
            Self::Call(run) | Self::Standing(run) => Arc::as_ptr(run).hash(state),
            Self::Lock(run) | Self::Ahead(_, run) => (run.core, &run.lock.names.record).hash(state),
            Self::Thread(thread) => thread.hash(state),
        }
    }
}

/// This thread, if it alone polls the runtime that it is in. A thread of `spawn_blocking` polls nothing, and is told apart by
/// its id.
fn polling() -> Option<Polling> {
    let handle = Handle::try_current().ok()?;
    let alone = handle.runtime_flavor() == RuntimeFlavor::CurrentThread;
    alone.then(|| (thread::current().id(), handle.id()))
}

/// A call, in the frame or future of the one who made it: dropped there, it waits for nothing and nothing waits for it.
///
/// The library's own thread does the waiting and has a [`Weak`] of it.
pub(crate) struct Caller {
    run: Arc<Run>,
    /// The calls around this one, which stand still while it waits.
    around: Vec<Node>,
    /// The thread that stands still while this call waits.
    blocks: Option<Polling>,
    /// The thread that has to poll this call.
    polled_by: Option<Polling>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Whether others wait for this call itself.
    leads: bool,
    /// Whether it is known to hold its lock.
    holds: bool,
    /// The edges of the graph that are this call's.
    edges: Vec<(Node, Node)>,
}

impl Caller {
    /// The call made here, by the async door.
    pub(crate) fn awaiting(core: usize, spec: &Arc<Spec>) -> Arc<Self> {
        Self::new(core, spec, None, polling())
    }

    /// The call made here, by the blocking door.
    pub(crate) fn blocking(core: usize, spec: &Arc<Spec>) -> Arc<Self> {
        Self::new(core, spec, polling(), None)
    }

    fn new(core: usize, spec: &Arc<Spec>, blocks: Option<Polling>, polled_by: Option<Polling>) -> Arc<Self> {
        let mut around = Vec::new();
        surrounding(|run| around.push(Node::Call(Arc::clone(run))));
        let run = Run::new(core, spec);
        Arc::new(Self { run, around, blocks, polled_by, known: Mutex::default() })
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change leaves the list whole, and is made in the graph as well.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> Node {
        Node::Call(Arc::clone(&self.run))
    }

    /// That this call is polled by its thread.
    fn polled(&self) -> Option<(Node, Node)> {
        self.polled_by.map(|thread| (self.call(), Node::Thread(thread)))
    }

    /// Others wait for this call from now on. What it looks for may still come without its thread.
    pub(crate) fn lead(&self) {
        self.known().leads = true;
    }

    /// The call has been granted this lock. A thread that polls the call may begin to block before it hears of that, or
    /// have begun.
    pub(crate) fn granted(&self, held: &Arc<Spec>) {
        if self.polled_by.is_some() {
            self.hold(held);
            self.run.changed.notify_waiters();
        }
    }

    /// The call is to compute without the lock; else as [`granted`](Self::granted).
    pub(crate) fn granted_unlocked(&self) {
        self.known().link(self.polled());
        self.run.changed.notify_waiters();
    }

    /// The scope of the body, which holds this lock until the call is dropped.
    pub(crate) fn holding(&self, held: &Arc<Spec>) -> Arc<Run> {
        self.hold(held);
        Arc::clone(&self.run)
    }

    /// The scope of a body that runs without the lock.
    pub(crate) fn unlocked(&self) -> Arc<Run> {
        Arc::clone(&self.run)
    }

    fn hold(&self, held: &Arc<Spec>) {
        let mut known = self.known();
        if !std::mem::replace(&mut known.holds, true) {
            let holds = (Node::Lock(Run::new(self.run.core, held)), self.call());
            known.link([holds].into_iter().chain(self.polled()));
        }
    }

    /// Waits for another call to land.
    pub(crate) fn wait_for(self: &Arc<Self>, leader: &Arc<Run>) -> Result<Waiting> {
        self.wait(&Node::Call(Arc::clone(leader)), None)
    }

    /// Waits for the lock, behind those of this process that wait for it already.
    pub(crate) fn wait_for_lock(self: &Arc<Self>) -> Result<Waiting> {
        let ahead = |thread| Node::Ahead(thread, Arc::clone(&self.run));
        let lock = Node::Lock(Arc::clone(&self.run));
        let mut waiting = self.wait(&lock, self.blocks.map(ahead).as_ref())?;
        let mut known = self.known();
        let mut edges = Vec::new();
        if let Some(thread) = self.polled_by {
            let standing = Node::Standing(Arc::clone(&self.run));
            edges.extend([(ahead(thread), standing.clone()), (standing, Node::Thread(thread))]);
        }
        let leads = known.leads;
        edges.extend(leads.then(|| (self.call(), lock)));
        known.link(edges.iter().cloned());
        drop(known);
        waiting.edges.extend(edges);
        if leads {
            // A cycle is that of a follower, which finds it now. The others go on to wait for this call.
            self.run.changed.notify_waiters();
        }
        Ok(waiting)
    }

    /// Both the look for a cycle and the new edges are under one lock: of two calls that close one, the second sees it.
    fn wait(self: &Arc<Self>, target: &Node, ahead: Option<&Node>) -> Result<Waiting> {
        let mut known = self.known();
        let stops = self.around.iter().cloned().chain(self.blocks.map(Node::Thread));
        let stops: Vec<Node> = stops.collect();
        let mut edges = Vec::new();
        if !stops.is_empty() {
            let mut graph = waits();
            let mut targets = [Some(target), ahead].into_iter().flatten();
            if let Some(way) = targets.find_map(|target| graph.way(target, &stops)) {
                drop(graph);
                return Err(self.run.lock.error(ErrorKind::Misuse, &describe(&way)));
            }
            edges.extend(stops.into_iter().map(|stop| (stop, target.clone())));
            for (from, to) in &edges {
                graph.link(from.clone(), to.clone());
            }
            known.edges.extend(edges.iter().cloned());
        }
        Ok(Waiting { caller: Arc::downgrade(self), edges })
    }
}

impl Known {
    fn link(&mut self, edges: impl IntoIterator<Item = (Node, Node)>) {
        let before = self.edges.len();
        self.edges.extend(edges);
        if before < self.edges.len() {
            let mut graph = waits();
            for (from, to) in &self.edges[before..] {
                graph.link(from.clone(), to.clone());
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !known.edges.is_empty() {
            let mut graph = waits();
            known.edges.iter().for_each(|(from, to)| graph.unlink(from, to));
        }
    }
}

/// A wait that is under way. Dropped, it is over.
pub(crate) struct Waiting {
    caller: Weak<Caller>,
    edges: Vec<(Node, Node)>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A caller that has gone has taken its edges along.
        let Some(caller) = self.caller.upgrade().filter(|_| !self.edges.is_empty()) else { return };
        let mut known = caller.known();
        let mut graph = waits();
        for edge in &self.edges {
            if let Some(at) = known.edges.iter().position(|known| known == edge) {
                known.edges.swap_remove(at);
                graph.unlink(&edge.0, &edge.1);
            }
        }
    }
}

/// The cycle that waiting would close, from what would be waited for to what stands still meanwhile.
fn describe(way: &[Node]) -> String {
    let mut text = String::from("a cycle of calls that wait for each other: this call waits for ");
    let mut before: Option<&Node> = None;
    for node in way {
        let (words, call) = match (before, node) {
            (None, Node::Call(run) | Node::Standing(run)) => ("", Some(run)),
            (Some(Node::Thread(..)), Node::Call(run)) => (" that waits for ", Some(run)),
            (Some(_), Node::Call(run) | Node::Standing(run)) => (", which waits for ", Some(run)),
            (_, Node::Thread(..)) => (", which has to be polled by a thread", None),
            // The call that is meant comes next.
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

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.lock.function.unwrap_or("a computation in code");
        write!(f, "`{name}` of key {}", self.lock.text())
    }
}
