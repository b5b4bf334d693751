//! The end of a client: whether it still takes locks, and how much of what it gives back is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Whether a client still takes locks, and how much of what it gives back is on its way.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    closed: AtomicBool,
    on_their_way: AtomicUsize,
    settled: Notify,
}

impl Closing {
    /// No lock is taken from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How many locks are being given back.
    pub(crate) fn on_their_way(&self) -> usize {
        self.on_their_way.load(Ordering::SeqCst)
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn settled(&self) {
        loop {
            // Made before the look, so that no change is missed in between.
            let settled = self.settled.notified();
            if self.on_their_way() == 0 {
                return;
            }
            settled.await;
        }
    }
}

/// Something that is being given back, while this lives.
#[derive(Debug)]
pub(crate) struct OnItsWay(Arc<Closing>);

impl OnItsWay {
    pub(crate) fn new(closing: &Arc<Closing>) -> Self {
        closing.on_their_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(closing))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if self.0.on_their_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}
