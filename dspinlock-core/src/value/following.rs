//! Waiting for a value that another caller computes, here or elsewhere, and telling of it where that takes long.

use crate::engine::flight::{Follower, Landing};
use crate::engine::waits::Caller;
use crate::error::Result;
use crate::store::Read;
use crate::value::request::Wish;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

impl Wish {
    /// Waits for the flight to land; `None` if its leader has gone.
    ///
    /// # Errors
    ///
    /// `Misuse` where the leader waits for this caller, or comes to do so.
    pub(super) async fn follow(&self, follower: Follower, caller: &Weak<Caller>) -> Result<Option<Landing>> {
        let (seen, leader) = (follower.clone(), Arc::clone(follower.leader()));
        let tell = || {
            if seen.tells() {
                self.tell(&format!("another caller of this process: {}", seen.leader()));
            }
        };
        let mut landed = pin!(self.telling(follower.landed(), tell));
        loop {
            // Made before the look, so that no change is missed.
            let mut changed = pin!(leader.changed.notified());
            let waiting = caller.upgrade().map(|caller| caller.wait_for(&leader));
            let _waiting = waiting.transpose()?;
            let either = poll_fn(|context| match landed.as_mut().poll(context) {
                Poll::Ready(landing) => Poll::Ready(Some(landing)),
                Poll::Pending => changed.as_mut().poll(context).map(|()| None),
            });
            if let Some(landing) = either.await {
                return Ok(landing);
            }
        }
    }

    /// Waits, and has it told if that takes long: nobody sees a cycle through other processes or spawned work.
    pub(super) async fn telling<T>(&self, wait: impl Future<Output = T>, tell: impl FnOnce()) -> T {
        let mut wait = pin!(wait);
        if let Ok(done) = tokio::time::timeout(self.spec.options.lease, wait.as_mut()).await {
            return done;
        }
        tell();
        wait.await
    }

    fn tell(&self, holder: &str) {
        tracing::warn!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function,
            waited = ?self.spec.options.lease, holder,
            "still waiting for a value; if its computation waits for this caller, by spawned work or in another process, \
             neither ends before its time is over"
        );
    }

    /// Tells who holds the lock, by its record.
    pub(super) fn tell_holder(&self) {
        let wish = self.clone();
        self.core.worker.detach(async move {
            let found = wish.core.store.call(&Read(&wish.spec.names)).await;
            // Free by now, or an error that the attempt itself gets: there is nothing to tell.
            if let Ok(Some(seen)) = wish.spec.found(found) {
                wish.tell(&seen.record.holder());
            }
        });
    }
}
