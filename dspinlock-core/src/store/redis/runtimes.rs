//! Connections that callers' own runtimes drive, so that an async caller needs no other thread.
//!
//! A connection is used only from the Tokio runtime that drives it, and ends with that runtime. The library's own thread
//! serves callers outside of a runtime, and the first ones of each runtime, until its connection is open.

use super::dial::{Dialed, Dialer};
use super::link::{Batch, Limits, Received, breaks_connection, timed_out};
use crate::clock::Tick;
use crate::sync::lock;
use crate::worker::Worker;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

/// How many runtimes have connections of their own. The library's thread serves callers on further ones.
const MAX_RUNTIMES: usize = 16;

/// How long a runtime does without a connection after one could not be opened.
const RETRY: Duration = Duration::from_secs(1);

/// One connection for each of several runtimes.
#[derive(Clone)]
pub(super) struct Runtimes(Arc<Inner>);

struct Inner {
    dialer: Arc<Dialer>,
    limits: Limits,
    worker: Worker,
    slots: Mutex<HashMap<Id, Slot>>,
    /// How many tasks were started so far.
    started: AtomicU64,
}

/// The connection of one runtime.
struct Slot {
    /// Tells it from earlier ones of the same runtime.
    number: u64,
    state: State,
    /// Dropped with the slot, it ends the task that closes the slot with the runtime.
    _alive: oneshot::Sender<()>,
}

enum State {
    Opening,
    Open(Dialed<MultiplexedConnection>),
    /// It could not be opened. The next one is tried from then on.
    Failed(Tick),
    /// The runtime can't open connections.
    Unusable,
}

/// Names one slot.
#[derive(Clone)]
struct SlotRef {
    inner: Weak<Inner>,
    runtime: Id,
    number: u64,
}

/// A connection for the present caller.
pub(super) struct Open {
    dialed: Dialed<MultiplexedConnection>,
    runtimes: Runtimes,
    runtime: Id,
    number: u64,
}

impl Runtimes {
    pub(super) fn new(dialer: Arc<Dialer>, limits: Limits, worker: Worker) -> Self {
        let (slots, started) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { dialer, limits, worker, slots, started }))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Id, Slot>> {
        lock(&self.0.slots)
    }

    /// The connection of the runtime that the caller is in; `None` if there is no runtime, or no connection yet.
    pub(super) fn connection(&self) -> Option<Open> {
        // The library's thread has connections of its own.
        let handle = Handle::try_current().ok().filter(|_| !self.0.worker.is_current())?;
        let runtime = handle.id();
        let mut slots = self.slots();
        let known = slots.get(&runtime);
        match known.map(|slot| &slot.state) {
            Some(State::Open(dialed)) if dialed.epoch == self.0.dialer.epoch() => {
                let (dialed, number) = (dialed.clone(), known?.number);
                return Some(Open { dialed, runtimes: self.clone(), runtime, number });
            }
            Some(State::Failed(again)) if Tick::now() >= *again => {}
            Some(State::Opening | State::Failed(_) | State::Unusable) => return None,
            None if slots.len() >= MAX_RUNTIMES => return None,
            // Open since before the server changed, or new.
            Some(State::Open(_)) | None => {}
        }
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        let (alive, gone) = oneshot::channel();
        let replaced = slots.insert(runtime, Slot { number, state: State::Opening, _alive: alive });
        drop(slots);
        // After the lock: this ends a task, and the others may end at once.
        drop(replaced);
        let slot = self.slot(runtime, number);
        handle.spawn(Opener(slot.clone()).run());
        handle.spawn(Closer(slot).run(gone));
        None
    }

    /// Closes all connections. Each runtime opens another one when it needs one.
    pub(super) fn close(&self) {
        let closed = std::mem::take(&mut *self.slots());
        // After the lock: this ends tasks.
        drop(closed);
    }

    fn slot(&self, runtime: Id, number: u64) -> SlotRef {
        SlotRef { inner: Arc::downgrade(&self.0), runtime, number }
    }
}

impl SlotRef {
    /// Does something with the slots, if this one is still there.
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Id, Slot>) -> T) -> Option<T> {
        let inner = self.inner.upgrade()?;
        let mut slots = lock(&inner.slots);
        let is_there = slots.get(&self.runtime).is_some_and(|slot| slot.number == self.number);
        let done = is_there.then(|| act(&mut slots));
        drop(slots);
        done
    }

    fn close(&self) {
        // Dropped after the lock: this ends a task.
        drop(self.with(|slots| slots.remove(&self.runtime)));
    }

    fn set(&self, state: State) {
        let set = |slots: &mut HashMap<Id, Slot>| {
            slots.get_mut(&self.runtime).map(|slot| std::mem::replace(&mut slot.state, state))
        };
        drop(self.with(set));
    }
}

impl Open {
    /// Sends a batch, within the time limit of a reply. A connection that fails is not used again.
    pub(super) async fn send(self, batch: &Batch) -> Received {
        let Self { dialed: Dialed { mut connection, epoch, .. }, runtimes, runtime, number } = self;
        let Inner { worker, limits, .. } = &*runtimes.0;
        let sending = async {
            if let Some(command) = batch.single() {
                return Received::one(command.query_async(&mut connection).await);
            }
            batch.received(batch.pipeline(None).query_async(&mut connection).await, false)
        };
        let received = worker.limit(Tick::now() + limits.response_timeout, sending).await;
        let received = received.unwrap_or_else(|| Received::one(Err(timed_out())));
        if received.value.as_ref().is_err_and(breaks_connection) {
            runtimes.slot(runtime, number).close();
        }
        Received { epoch, ..received }
    }
}

/// The task that opens a connection. A runtime without I/O ends it by a panic, which Tokio catches.
struct Opener(SlotRef);

impl Opener {
    async fn run(self) {
        let Some(inner) = self.0.inner.upgrade() else { return };
        let (dialer, worker, limits) = (Arc::clone(&inner.dialer), inner.worker.clone(), inner.limits);
        // The client may go meanwhile.
        drop(inner);
        // No time limits of this runtime: see `timers`.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let opening = dialer.open(&config, false);
        let opened = worker.limit(Tick::now() + limits.connect_timeout, opening).await;
        // A failure is reported to the callers that the library's thread serves.
        let failed = || State::Failed(Tick::now() + RETRY);
        self.0.set(opened.and_then(Result::ok).map_or_else(failed, State::Open));
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(State::Unusable);
        }
    }
}

/// The task that closes a slot when its runtime is dropped.
struct Closer(SlotRef);

impl Closer {
    async fn run(self, gone: oneshot::Receiver<()>) {
        // Nothing is ever sent: this is an error once the slot has gone.
        let _ = gone.await;
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.close();
    }
}
