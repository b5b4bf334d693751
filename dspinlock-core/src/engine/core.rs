//! What all clones of a client share.

use crate::engine::closing::{Closing, OnItsWay};
use crate::engine::flight::Flights;
use crate::engine::line::Lines;
use crate::engine::memo::Memo;
use crate::engine::renewer::Renewer;
use crate::engine::spec::Spec;
use crate::engine::unshared::Unshared;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;
use crate::worker::Worker;
use std::fmt;
use std::sync::Arc;

/// What all clones of a client share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) worker: Worker,
    pub(crate) renewer: Renewer,
    pub(crate) flights: Flights,
    pub(crate) unshared: Unshared,
    pub(crate) lines: Lines,
    /// The names and labels of recent calls.
    pub(crate) memo: Memo,
    pub(crate) closing: Arc<Closing>,
    /// Tells the processes apart that wait for one key.
    pub(crate) id: String,
}

impl Core {
    pub(crate) fn new(store: Store, worker: Worker) -> Arc<Self> {
        let (store, lines) = (Arc::new(store), Lines::default());
        Arc::new(Self {
            renewer: Renewer::new(Arc::clone(&store), worker.clone(), lines.clone()),
            store,
            worker,
            flights: Flights::default(),
            unshared: Unshared::default(),
            lines,
            memo: Memo::default(),
            closing: Arc::default(),
            id: format!("{:x}", fastrand::u64(..)),
        })
    }

    /// Tells clients apart, for as long as this one lives.
    pub(crate) fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Notes that something is being given back.
    pub(crate) fn on_its_way(&self) -> OnItsWay {
        OnItsWay::new(&self.closing)
    }

    /// Refuses to take locks once the client was shut down.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closing.is_closed() {
            return Err(Error::new(
                ErrorKind::Closed,
                "the client was shut down and takes no locks any more",
            ));
        }
        Ok(())
    }

    /// What was read or computed before this moment is served to no later caller of this process: neither a copy nor what
    /// is under way.
    pub(crate) fn overtake(&self, record: &str) {
        self.flights.close(record);
        self.unshared.remove(record);
        self.store.wakeups().wake(record);
    }

    /// Says once for a function that the server refuses its values.
    pub(crate) fn not_stored(&self, spec: &Spec, why: &str) {
        if self.unshared.is_news("the server refuses it", spec.function, None) {
            tracing::warn!(
                target: "dspinlock", key = %spec.key, function = spec.function, why,
                "the server did not take the value: the lock is given back, and only the callers of this process share it \
                 (said once)"
            );
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("store", &self.store).finish_non_exhaustive()
    }
}
