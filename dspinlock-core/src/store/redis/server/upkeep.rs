//! What a server needs besides requests, on the library's own thread: probes while it is out of reach, signs of life of a connection
//! that tracks, and a look at its settings.

use super::Server;
use crate::clock::Tick;
use crate::store::redis::advice;
use crate::store::redis::link::{Batch, Lane};
use crate::store::redis::refusal::is_outage;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The pause before the first probe of a server that is out of reach, and the longest one; doubled in between.
const PROBES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How often the tracking connection is asked for a sign of life while there are waiters or local copies.
const PULSE: Duration = Duration::from_secs(5);

impl Server {
    /// Asks the server until it answers, or until this client is gone.
    pub(super) fn probe(&self) {
        let (link, circuit, name) =
            (Arc::downgrade(&self.link), Arc::clone(&self.circuit), Arc::clone(&self.name));
        self.worker.detach(async move {
            let ping = Batch::plain(::redis::cmd("PING"));
            let [mut pause, longest] = PROBES;
            loop {
                tokio::time::sleep(pause).await;
                pause = longest.min(pause * 2);
                let Some(link) = link.upgrade() else { return };
                // Another call may have reached it.
                if circuit.refusal().is_none() {
                    return;
                }
                let answer = link.send(&ping, false).await.value;
                if !answer.as_ref().is_err_and(is_outage) {
                    if let Some(after) = circuit.succeeded() {
                        tracing::info!(target: "dspinlock", parent: None, server = &*name, ?after, "the server is back");
                    }
                    return;
                }
            }
        });
    }

    /// Notices a tracking connection that died in silence: its pushes would never come.
    pub(super) fn keep_pulse(&self, lane: Lane) {
        let (lane, number) = if lane == Lane::Copies { (lane, 1) } else { (Lane::Shared, 0) };
        if self.pulses[number].swap(true, Ordering::AcqRel) {
            return;
        }
        // The client, or this node of a cluster, may go meanwhile.
        let (link, wakeups, pulses) =
            (Arc::downgrade(&self.link), self.wakeups.clone(), Arc::clone(&self.pulses));
        self.worker.detach(async move {
            let ping = Batch { lane, ..Batch::plain(::redis::cmd("PING")) };
            let pulse = &pulses[number];
            loop {
                tokio::time::sleep(PULSE).await;
                // A tracked call after this line starts another task; an earlier one is seen below.
                pulse.store(false, Ordering::Release);
                if wakeups.is_idle(Tick::now()) || pulse.swap(true, Ordering::AcqRel) {
                    return;
                }
                let Some(link) = link.upgrade() else { return };
                // On a failure the link replaces the connection, and wakes everybody.
                let _ = link.send(&ping, false).await;
            }
        });
    }

    /// Checks the server once for settings that endanger locks, and logs them.
    pub(super) fn advise(&self) {
        let this = self.clone();
        self.worker.detach(async move {
            let [info, save] = advice::questions().map(Batch::plain);
            let info = this.link.send(&info, false).await.value;
            let save = this.link.send(&save, false).await.value;
            advice::log(&this.name, advice::advice(info.as_ref().ok(), save.as_ref().ok()));
        });
    }
}
