//! Finds cycles of calls in this process that wait for each other, so that a cycle is an error at once, and not a wait
//! for `max_block`.
//!
//! It knows the annotated functions around a call (their [scopes](crate::engine::scope)), the calls that lead a flight
//! or hold a lock, and the threads that have to poll them. It does not know other processes, a [`Guard`](crate::Guard)
//! that user code holds, and work that a body spawns and waits for; a warning reports such waits. A wait that its body
//! would give up by itself, as in a `timeout`, counts while it lasts: only giving up could end it.

mod graph;
mod node;
#[cfg(test)]
mod tests;

use crate::engine::scope::{Scope, Stack};
use crate::engine::spec::Spec;
use crate::error::{ErrorKind, Result};
use crate::sync::lock;
use graph::Graph;
use node::{Node, Polling, describe, polling};
use once_cell::sync::Lazy;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::LocalKey;
use tokio::runtime::Handle;

pub(crate) use node::Run;

static WAITS: Lazy<Mutex<Graph<Node>>> = Lazy::new(Mutex::default);

fn waits() -> MutexGuard<'static, Graph<Node>> {
    lock(&WAITS)
}

/// In force while the body of an annotated function runs for this call.
impl Scope for Arc<Run> {
    fn stack() -> &'static LocalKey<Stack<Self>> {
        thread_local! {
            static RUNS: Stack<Arc<Run>> = const { RefCell::new(Vec::new()) };
        }
        &RUNS
    }
}

/// Visits the calls around the code that runs here, the outermost first.
fn surrounding(each: impl FnMut(&Arc<Run>)) {
    Arc::<Run>::stack().with_borrow(|runs| runs.iter().for_each(each));
}

/// Whether the surrounding code runs under this lock.
pub(crate) fn is_inside(core: usize, record: &str) -> bool {
    let mut inside = false;
    surrounding(|run| inside |= run.core == core && run.lock.names.record == record);
    inside
}

/// Refuses a lock that the surrounding code holds, and would wait for itself, or be turned away by itself.
///
/// # Errors
///
/// `Misuse`.
pub(crate) fn check_recursion(core: usize, spec: &Spec) -> Result<()> {
    if is_inside(core, &spec.names.record) {
        let what = "a recursive call: the function that is running here holds this very key and would wait for itself, or \
                    be turned away by itself; lock only the outer call, or give the inner one another key";
        return Err(spec.error(ErrorKind::Misuse, what));
    }
    Ok(())
}

/// Logs once that a call blocks a thread which a runtime may need for other tasks.
fn tell_of_a_blocked_runtime(spec: &Spec) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.load(Ordering::Relaxed)
        && tracing::enabled!(target: "dspinlock", tracing::Level::DEBUG)
        && Handle::try_current().is_ok()
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        tracing::debug!(
            target: "dspinlock", key = %spec.key, function = spec.function,
            "a blocking call inside a Tokio runtime: unless this is a thread of `spawn_blocking`, other tasks wait for it; make the \
             function async, or call the async twin (logged once)"
        );
    }
}

/// A call, owned by the frame or the future that makes it. Dropped, it waits for nothing, and nothing waits for it.
///
/// What is done on the library's own thread has a [`Weak`] reference.
pub(crate) struct Caller {
    run: Arc<Run>,
    /// The calls around this one. They are blocked while it waits.
    around: Vec<Node>,
    /// The thread that is blocked while this call waits.
    blocks: Option<Polling>,
    /// The thread that has to poll this call.
    polled_by: Option<Polling>,
    state: Mutex<CallState>,
}

/// The part of a call in the graph.
#[derive(Default)]
struct CallState {
    /// Whether others wait for this call itself.
    leads: bool,
    /// Whether the graph has the call as the holder of its lock.
    holds: bool,
    /// The edges that belong to this call.
    edges: Vec<(Node, Node)>,
}

impl Caller {
    /// The async call that is made here.
    pub(crate) fn awaiting(core: usize, spec: &Arc<Spec>) -> Arc<Self> {
        Self::new(core, spec, None, polling())
    }

    /// The blocking call that is made here.
    pub(crate) fn blocking(core: usize, spec: &Arc<Spec>) -> Arc<Self> {
        tell_of_a_blocked_runtime(spec);
        Self::new(core, spec, polling(), None)
    }

    fn new(core: usize, spec: &Arc<Spec>, blocks: Option<Polling>, polled_by: Option<Polling>) -> Arc<Self> {
        let mut around = Vec::new();
        surrounding(|run| around.push(Node::Call(Arc::clone(run))));
        let run = Run::new(core, spec);
        Arc::new(Self { run, around, blocks, polled_by, state: Mutex::default() })
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    fn state(&self) -> MutexGuard<'_, CallState> {
        lock(&self.state)
    }

    fn call(&self) -> Node {
        Node::Call(Arc::clone(&self.run))
    }

    /// The edge from this call to the thread that has to poll it.
    fn polled(&self) -> Option<(Node, Node)> {
        self.polled_by.map(|thread| (self.call(), Node::Thread(thread)))
    }

    /// Notes that others wait for this call from now on. It may still get its answer without its thread.
    pub(crate) fn lead(&self) {
        self.state().leads = true;
    }

    /// Notes that the task of this call asks for the lock, if only one thread polls it: until then, the call counts as the
    /// holder.
    pub(crate) fn ask(self: Arc<Self>, wanted: &Arc<Spec>) -> Option<Asking> {
        self.polled_by?;
        self.hold(wanted);
        Some(Asking { caller: Some(self) })
    }

    /// Notes that the call was granted this lock. The thread that has to poll the call may not know it yet, and block.
    pub(crate) fn granted(&self, held: &Arc<Spec>) {
        if self.polled_by.is_some() {
            self.hold(held);
            self.run.changed.notify_waiters();
        }
    }

    /// Notes that the call computes without the lock; else like [`granted`](Self::granted).
    pub(crate) fn granted_unlocked(&self) {
        self.state().link(self.polled());
        self.run.changed.notify_waiters();
    }

    /// The scope of the body. The call holds this lock until it is dropped.
    pub(crate) fn holding(&self, held: &Arc<Spec>) -> Arc<Run> {
        self.hold(held);
        Arc::clone(&self.run)
    }

    /// The scope of a body that runs without the lock.
    pub(crate) fn unlocked(&self) -> Arc<Run> {
        Arc::clone(&self.run)
    }

    fn hold(&self, held: &Arc<Spec>) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.holds, true) {
            let holds = (Node::Lock(Run::new(self.run.core, held)), self.call());
            state.link([holds].into_iter().chain(self.polled()));
        }
    }

    /// Notes that the call does not hold its lock.
    fn unhold(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.holds, false) {
            let holds = (Node::Lock(Arc::clone(&self.run)), self.call());
            state.unlink([holds].iter().chain(&self.polled()));
        }
    }

    /// Notes that this call waits for the result of another.
    ///
    /// # Errors
    ///
    /// `Misuse` if the wait would close a cycle.
    pub(crate) fn wait_for(self: &Arc<Self>, leader: &Arc<Run>) -> Result<Waiting> {
        self.wait(&Node::Call(Arc::clone(leader)), None)
    }

    /// Notes a wait for the lock, behind the callers of this process that are queued already.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Self::wait_for).
    pub(crate) fn wait_for_lock(self: &Arc<Self>) -> Result<Waiting> {
        let ahead = |thread| Node::Ahead(thread, Arc::clone(&self.run));
        let lock = Node::Lock(Arc::clone(&self.run));
        let mut waiting = self.wait(&lock, self.blocks.map(ahead).as_ref())?;
        let mut state = self.state();
        let mut edges = Vec::new();
        if let Some(thread) = self.polled_by {
            let queued = Node::Queued(Arc::clone(&self.run));
            edges.extend([(ahead(thread), queued.clone()), (queued, Node::Thread(thread))]);
        }
        let leads = state.leads;
        edges.extend(leads.then(|| (self.call(), lock)));
        state.link(edges.iter().cloned());
        drop(state);
        waiting.edges.extend(edges);
        if leads {
            // A follower that is part of a cycle finds it now. The others go on waiting for this call.
            self.run.changed.notify_waiters();
        }
        Ok(waiting)
    }

    /// Looks for a cycle and adds the new edges under one lock, so that of two calls that close a cycle the second sees
    /// it.
    fn wait(self: &Arc<Self>, target: &Node, ahead: Option<&Node>) -> Result<Waiting> {
        let mut state = self.state();
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
            state.edges.extend(edges.iter().cloned());
        }
        Ok(Waiting { caller: Arc::downgrade(self), edges })
    }
}

impl CallState {
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

    fn unlink<'a>(&mut self, edges: impl IntoIterator<Item = &'a (Node, Node)>) {
        let mut graph = waits();
        for edge in edges {
            if let Some(at) = self.edges.iter().position(|own| own == edge) {
                self.edges.swap_remove(at);
                graph.unlink(&edge.0, &edge.1);
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let state = self.state();
        if !state.edges.is_empty() {
            let mut graph = waits();
            state.edges.iter().for_each(|(from, to)| graph.unlink(from, to));
        }
    }
}

/// A wait under way. It ends when this is dropped.
pub(crate) struct Waiting {
    caller: Weak<Caller>,
    edges: Vec<(Node, Node)>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A caller that has gone has removed its edges already.
        let Some(caller) = self.caller.upgrade().filter(|_| !self.edges.is_empty()) else { return };
        caller.state().unlink(&self.edges);
    }
}

/// A request for a lock under way. Dropped, it was not granted.
pub(crate) struct Asking {
    caller: Option<Arc<Caller>>,
}

impl Asking {
    pub(crate) fn granted(mut self) {
        self.caller = None;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.unhold();
        }
    }
}
