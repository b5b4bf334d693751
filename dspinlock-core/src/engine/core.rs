//! The state that all clones of a client share, and the end of the client.

use crate::engine::flight::Flights;
use crate::engine::probe::{Event, Probe};
use crate::engine::queue::Queues;
use crate::engine::renewer::Renewer;
use crate::engine::spec::Spec;
use crate::engine::unshared::Unshared;
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::Stored;
use crate::format::record::owner;
use crate::observe;
use crate::options::Caching;
use crate::store::{Listener, LocalCopy, Store};
use crate::worker::Worker;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The state that all clones of a client share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) worker: Worker,
    pub(crate) renewer: Renewer,
    pub(crate) flights: Flights,
    pub(crate) unshared: Unshared,
    pub(crate) queues: Queues,
    pub(crate) closing: Arc<Closing>,
    /// Tells the processes apart that wait for one key, and names this one for whoever looks at who waits: `<number>@host/pid`.
    pub(crate) id: String,
    /// In tests only.
    probe: Option<Arc<dyn Probe>>,
}

impl Core {
    pub(crate) fn new(store: Store, worker: Worker, probe: Option<Arc<dyn Probe>>) -> Arc<Self> {
        observe::announce();
        let (store, queues) = (Arc::new(store), Queues::default());
        Arc::new(Self {
            renewer: Renewer::new(Arc::clone(&store), worker.clone(), queues.clone()),
            store,
            worker,
            flights: Flights::default(),
            unshared: Unshared::default(),
            queues,
            closing: Arc::default(),
            id: format!("{:x}@{}", fastrand::u64(..), owner(std::process::id(), None)),
            probe,
        })
    }

    /// Tells a test what a caller does.
    pub(crate) fn tell(&self, spec: &Spec, event: Event<'_>) {
        if let Some(probe) = &self.probe {
            probe.saw(spec, event);
        }
    }

    /// Tells clients apart. Only unique while the client lives.
    pub(crate) fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Notes that a lock is being given back, until the returned value is dropped.
    pub(crate) fn giving_back(&self) -> GivingBack {
        self.closing.number.fetch_add(1, Ordering::SeqCst);
        GivingBack(Arc::clone(&self.closing))
    }

    /// Refuses to take locks after the client was shut down.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closing.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the client was shut down and no longer takes locks"));
        }
        Ok(())
    }

    /// Keeps later callers of this process from getting what was read or computed before now: neither a copy, nor the
    /// result of a flight that is under way.
    pub(crate) fn overtake(&self, record: &str) {
        self.flights.close(record);
        self.unshared.remove(record);
        self.store.wakeups().wake(record);
    }

    /// Keeps a copy of a value that was read, for as long as this process may serve it; nothing where none is wanted.
    pub(crate) fn keep_copy(&self, listener: &Listener, spec: &Spec, caching: &Caching, stored: &Stored) {
        if let (Some(local), Some(call)) = (caching.local, &caching.call) {
            let copy = LocalCopy::of(stored, &spec.names.record, &spec.scheme, local, caching.refresh_ahead);
            self.store.wakeups().keep_copy(listener, call, copy);
        }
    }

    /// Logs, once for each function, that the server refuses its values.
    pub(crate) fn not_stored(&self, spec: &Spec, why: &str) {
        if self.unshared.is_news("the server refuses it", spec.function, None) {
            tracing::warn!(
                target: "dspinlock", key = %spec.key, function = spec.function, why,
                "the server did not take the value: the lock is given back, and only the callers of this process share it \
                 (logged once)"
            );
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Whether the client was shut down, and how many locks are being given back.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    closed: AtomicBool,
    /// How many locks are being given back.
    number: AtomicUsize,
    settled: Notify,
}

impl Closing {
    /// Has the client take no lock from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Returns how many locks are being given back.
    pub(crate) fn number(&self) -> usize {
        self.number.load(Ordering::SeqCst)
    }

    /// Waits until no lock is being given back.
    pub(crate) async fn settled(&self) {
        loop {
            // Before the check, so that no change is missed in between.
            let settled = self.settled.notified();
            if self.number() == 0 {
                return;
            }
            settled.await;
        }
    }
}

/// A lock that is being given back. Dropped when the server has answered.
#[derive(Debug)]
pub(crate) struct GivingBack(Arc<Closing>);

impl Drop for GivingBack {
    fn drop(&mut self) {
        if self.0.number.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}
