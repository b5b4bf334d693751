//! Waiting for a value that another caller computes, in this process or elsewhere.

use crate::clock::Tick;
use crate::engine::flight::{FlightResult, Follower};
use crate::engine::waits::Caller;
use crate::error::Result;
use crate::observe;
use crate::store::Read;
use crate::value::request::CacheRequest;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

impl CacheRequest {
    /// Waits for the result of the flight; `None` if its leader has gone.
    ///
    /// # Errors
    ///
    /// `Misuse` if the leader waits for this caller, or begins to.
    pub(super) async fn follow(
        &self,
        follower: Follower,
        caller: &Arc<Caller>,
    ) -> Result<Option<FlightResult>> {
        let (seen, leader) = (follower.clone(), Arc::clone(follower.leader()));
        let warn = || {
            if seen.is_first_to_log() {
                self.warn_of(&format!("another caller of this process: {}", seen.leader()));
            }
        };
        let mut waits = observe::Waiting::default();
        waits.begin(&self.spec.subject);
        let mut result = pin!(self.warn_if_long(follower.result(), warn));
        loop {
            // Created before the check, so that no change is missed.
            let mut changed = pin!(leader.changed.notified());
            let _waiting = caller.wait_for(&leader)?;
            let either = poll_fn(|context| match result.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => changed.as_mut().poll(context).map(|()| None),
            });
            if let Some(result) = either.await {
                return Ok(result);
            }
        }
    }

    /// Waits, and calls `warn` if that takes longer than a lease: a cycle through other processes or spawned work can't be
    /// detected.
    pub(super) async fn warn_if_long<T>(&self, wait: impl Future<Output = T>, warn: impl FnOnce()) -> T {
        let mut wait = pin!(wait);
        let long = Tick::now() + self.spec.options.lease;
        if let Some(done) = self.core.worker.limit(long, wait.as_mut()).await {
            return done;
        }
        warn();
        wait.await
    }

    fn warn_of(&self, holder: &str) {
        tracing::warn!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function,
            waited = ?self.spec.options.lease, holder,
            "still waiting for a value; if its computation waits for this caller, through spawned work or another process, \
             neither ends before its time is over"
        );
    }

    /// Warns with the holder of the lock, as its record names it.
    pub(super) fn warn_of_holder(&self) {
        let request = self.clone();
        self.core.worker.detach(async move {
            let found = request.core.store.call(&Read(&request.spec.names)).await;
            // If the key is free by now, there is nothing to warn of. An error reaches the attempt itself.
            if let Ok(Some(seen)) = request.spec.found(found) {
                request.warn_of(&seen.record.holder());
            }
        });
    }
}
