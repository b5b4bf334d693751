//! Compensation: undoes what a request may have done, or may still do, when its reply is missing.

use crate::clock::{ServerTime, Tick};
use crate::engine::core::Core;
use crate::engine::grant::Grant;
use crate::engine::spec::Spec;
use crate::format::record::Tag;
use crate::store::{Abandon, Clock};
use std::sync::Arc;
use std::time::Duration;

/// How far the server's clock may have fallen behind since it was last read.
const CLOCK_MARGIN: Duration = Duration::from_millis(50);

/// The moment after which the server refuses a request.
#[derive(Clone)]
pub(crate) struct NotAfter {
    pub(crate) at: ServerTime,
    /// The clock that it is read on.
    pub(crate) clock: Arc<Clock>,
    /// How long after the request was made that is.
    pub(crate) patience: Duration,
}

/// A request whose reply is not known yet. It may have taken the lock.
///
/// Dropped before it is [settled](Self::settle), it is taken back: at once, and again at the moment from which the
/// server refuses it.
pub(crate) struct Pending {
    core: Arc<Core>,
    spec: Arc<Spec>,
    tag: Tag,
    not_after: NotAfter,
    armed: bool,
}

impl Pending {
    /// Arms the compensation. Call it before the request is sent.
    pub(crate) fn new(core: Arc<Core>, spec: Arc<Spec>, tag: Tag, not_after: NotAfter) -> Self {
        Self { core, spec, tag, not_after, armed: true }
    }

    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    pub(crate) fn not_after(&self) -> &NotAfter {
        &self.not_after
    }

    /// Disarms the compensation: the reply says what the request did, and there is nothing to take back.
    pub(crate) fn settle(mut self) -> Tag {
        self.armed = false;
        std::mem::take(&mut self.tag)
    }

    /// Takes the request back. A dropped future and a panic do the same.
    pub(crate) fn take_back(self) {
        drop(self);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (core, spec, tag) =
            (Arc::clone(&self.core), Arc::clone(&self.spec), std::mem::take(&mut self.tag));
        let at_the_latest = refused_from(&self.not_after);
        let giving_back = self.core.giving_back();
        self.core.worker.detach(async move {
            let _giving_back = giving_back;
            // The second one takes back a request that arrives after the first. Later, the server refuses it.
            for at in [Tick::now(), at_the_latest] {
                abandon(&core, &spec, &tag, at).await;
            }
        });
    }
}

/// Takes back the first of two requests, of which the second was granted: arriving after the turn, it would take the
/// lock once more. A turn that still goes on when the server refuses the request has nothing to fear from it.
pub(crate) fn take_back_after(core: Arc<Core>, grant: Arc<Grant>, not_after: &NotAfter) {
    let at = refused_from(not_after);
    let giving_back = core.giving_back();
    core.worker.clone().detach(async move {
        let _giving_back = giving_back;
        tokio::time::sleep(Tick::now().until(at)).await;
        // Waits for the release's reply; otherwise the release would find nothing.
        if grant.turn.has_ended().await
            && let Some(tag) = &grant.tag
        {
            abandon(&core, &grant.spec, tag, at).await;
        }
    });
}

/// Returns when the server will refuse a request as late, by what is known of its clock.
fn refused_from(not_after: &NotAfter) -> Tick {
    let now = Tick::now();
    late_from(now, not_after.clock.at_least(now), not_after.at, not_after.patience)
}

/// Returns when a server whose clock shows at least `server` at `now` will refuse a request as late. Where its clock is not known,
/// since the server has just changed, that is `patience` after the request was made, and so no later than from now.
pub(crate) fn late_from(
    now: Tick,
    server: Option<ServerTime>,
    not_after: ServerTime,
    patience: Duration,
) -> Tick {
    let rest = server.map_or(patience, |server| server.until(not_after));
    now + rest + CLOCK_MARGIN
}

/// Abandons a turn at `at`, and tries for as long as a lease lasts.
async fn abandon(core: &Core, spec: &Spec, tag: &Tag, at: Tick) {
    tokio::time::sleep(Tick::now().until(at)).await;
    while let Err(error) = core.store.call(&Abandon { names: &spec.names, tag }).await {
        if Tick::now() >= at + spec.options.lease {
            tracing::warn!(target: "dspinlock", key = %spec.key, %error, "could not take back a request");
            return;
        }
        tokio::time::sleep(spec.options.retry()).await;
    }
}
