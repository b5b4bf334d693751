//! Requests whose reply is not there: what they may have done, or may still do, is undone.

use crate::clock::{ServerTime, Tick};
use crate::engine::core::Core;
use crate::engine::grant::Grant;
use crate::engine::spec::Spec;
use crate::format::record::Tag;
use crate::store::Abandon;
use std::sync::Arc;
use std::time::Duration;

/// How much the server's clock may have fallen behind since it was heard of, when a request is taken back.
const LATE_MARGIN: Duration = Duration::from_millis(50);

/// A request whose reply is not there: the lock may have been taken all the same. Dropped like that, it is given back,
/// and once more after the moment from which the server refuses the request.
pub(crate) struct Pending {
    core: Arc<Core>,
    spec: Arc<Spec>,
    tag: Tag,
    not_after: ServerTime,
    /// Whether it may have taken the mark of the one who computes anew instead.
    marks: bool,
    armed: bool,
}

impl Pending {
    pub(crate) fn new(
        core: Arc<Core>,
        spec: Arc<Spec>,
        tag: Tag,
        not_after: ServerTime,
        marks: bool,
    ) -> Self {
        Self { core, spec, tag, not_after, marks, armed: true }
    }

    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    /// The reply has come, and says what the request did: there is nothing to take back.
    pub(crate) fn settle(mut self) -> Tag {
        self.armed = false;
        std::mem::take(&mut self.tag)
    }

    /// Takes back what the request did, or may still do. A future that is dropped, and a panic, come to the same.
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
        let mark = self.marks.then(|| spec.of_the_mark());
        let refused_from = when_refused(&core, self.not_after);
        let worker = self.core.worker.clone();
        let giving_back = self.core.giving_back();
        worker.detach(async move {
            let _giving_back = giving_back;
            // What arrives between the two is either taken back by the second, or refused by the server as late.
            for at in [Tick::now(), refused_from] {
                take_back(&core, &spec, &tag, at).await;
                if let Some(mark) = &mark {
                    take_back(&core, mark, &tag, at).await;
                }
            }
        });
    }
}

/// Takes back what the first of two requests for `grant` may do when it arrives after the turn: take the lock once more.
/// A turn that goes on at the moment from which the server refuses the request has nothing to fear from it.
pub(crate) fn take_back_after(core: Arc<Core>, grant: Arc<Grant>, not_after: ServerTime) {
    let at = when_refused(&core, not_after);
    let worker = core.worker.clone();
    let giving_back = core.giving_back();
    worker.detach(async move {
        let _giving_back = giving_back;
        tokio::time::sleep(Tick::now().until(at)).await;
        // A take-back that overtook the answer to what gives the lock back would have it find nothing.
        if grant.turn.has_ended().await
            && let Some(tag) = &grant.tag
        {
            take_back(&core, &grant.spec, tag, at).await;
        }
    });
}

/// When the server will refuse a request as late, by what is known of its clock.
fn when_refused(core: &Core, not_after: ServerTime) -> Tick {
    let now = Tick::now();
    refused_from(now, core.store.at_least(now), not_after)
}

/// When a server whose clock shows `server` or more at `now` will refuse a request as late.
pub(crate) fn refused_from(now: Tick, server: Option<ServerTime>, not_after: ServerTime) -> Tick {
    let late = server.map_or(Duration::ZERO, |server| server.until(not_after));
    now + late + LATE_MARGIN
}

/// Abandons a turn at a given moment, trying for a lease's time.
async fn take_back(core: &Core, spec: &Spec, tag: &Tag, at: Tick) {
    tokio::time::sleep(Tick::now().until(at)).await;
    while let Err(error) = core.store.call(&Abandon { names: &spec.names, tag }).await {
        if Tick::now() >= at + spec.options.lease {
            tracing::warn!(target: "dspinlock", key = %spec.key, %error, "could not take back a request");
            return;
        }
        tokio::time::sleep(spec.options.retry()).await;
    }
}
