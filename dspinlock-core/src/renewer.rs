//! The watchdog: one task a client that renews the leases of all its held locks, many in one call.
//!
//! The task is there while locks are held, and not otherwise: it starts with the first lock and ends when it wakes up and
//! finds none. A lock that is held only briefly costs one insertion and one removal in a map.

use crate::client::Core;
use crate::clock::Tick;
use crate::hold::Hold;
use crate::store::{Renew, RenewOne};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Leases that are due within this time are renewed together.
const BATCH_WINDOW: Duration = Duration::from_millis(50);

/// How many leases one call renews at the most: a script blocks the server while it runs.
const BATCH_SIZE: usize = 256;

/// The leases of one client.
#[derive(Default)]
pub(crate) struct Renewer {
    schedule: Mutex<Schedule>,
    sooner: Notify,
}

#[derive(Default)]
struct Schedule {
    /// Held locks by the moment at which they are to be renewed; the second part tells those of one moment apart.
    due: BTreeMap<(Tick, usize), Arc<Hold>>,
    /// Held locks whose renewal is on its way.
    renewing: HashMap<usize, Arc<Hold>>,
    /// When the task wakes up; `None` while there is no task.
    wakes: Option<Tick>,
}

/// What the task does next.
enum Next {
    Renew(Vec<Arc<Hold>>),
    Sleep(Tick),
    End,
}

/// Tells two holds of one moment apart.
fn identity(hold: &Arc<Hold>) -> usize {
    Arc::as_ptr(hold).addr()
}

impl Renewer {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing that could panic runs between two changes of the schedule.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lease of `hold` from now on.
    pub(crate) fn add(&self, hold: &Arc<Hold>) {
        let at = hold.lease().renew_at();
        hold.set_renewal(Some(at));
        self.insert(hold, at);
    }

    fn insert(&self, hold: &Arc<Hold>, at: Tick) {
        let mut schedule = self.schedule();
        schedule.due.insert((at, identity(hold)), Arc::clone(hold));
        match schedule.wakes {
            Some(wakes) if wakes <= at => {}
            Some(_) => {
                schedule.wakes = Some(at);
                self.sooner.notify_one();
            }
            None => {
                schedule.wakes = Some(at);
                let core = Arc::clone(&hold.core);
                hold.core.worker.detach(async move { core.renewer.run(&core).await });
            }
        }
    }

    /// All locks that are held.
    pub(crate) fn held(&self) -> Vec<Arc<Hold>> {
        let schedule = self.schedule();
        schedule.due.values().chain(schedule.renewing.values()).cloned().collect()
    }

    /// Renews the lease of `hold` no more.
    pub(crate) fn remove(&self, hold: &Arc<Hold>) {
        if let Some(at) = hold.set_renewal(None) {
            self.schedule().due.remove(&(at, identity(hold)));
        }
    }
}

impl Renewer {
    /// Renews what is due until nothing is left.
    async fn run(&self, core: &Arc<Core>) {
        loop {
            let now = Tick::now();
            match self.next(now) {
                Next::Renew(due) => {
                    for batch in due.chunks(BATCH_SIZE) {
                        // A task of its own: a server that is slow to answer must not hold up the next renewals.
                        core.worker.detach(renew(Arc::clone(core), batch.to_vec()));
                    }
                }
                Next::Sleep(until) => {
                    // Both ends mean the same: look again.
                    let _ = tokio::time::timeout(now.until(until), self.sooner.notified()).await;
                }
                Next::End => return,
            }
        }
    }

    /// What the task does now. Nothing is renewed before the first lease is due, since a short one is always due soon.
    fn next(&self, now: Tick) -> Next {
        let mut schedule = self.schedule();
        schedule.wakes = schedule.due.first_key_value().map(|(&(at, _), _)| at);
        match schedule.wakes {
            None => Next::End,
            Some(at) if at > now => Next::Sleep(at),
            Some(_) => {
                let later = schedule.due.split_off(&(now + BATCH_WINDOW, 0));
                let due: Vec<_> = std::mem::replace(&mut schedule.due, later).into_values().collect();
                schedule.renewing.extend(due.iter().map(|hold| (identity(hold), Arc::clone(hold))));
                Next::Renew(due)
            }
        }
    }

    fn again(&self, hold: &Arc<Hold>, at: Tick) {
        hold.set_renewal(Some(at));
        if hold.is_over() {
            hold.set_renewal(None);
        } else {
            self.insert(hold, at);
        }
    }
}

fn one(hold: &Hold, life: Duration) -> RenewOne<'_> {
    RenewOne { names: &hold.spec.names, tag: &hold.tag, life, fence_life: hold.spec.options.fence_life() }
}

/// Renews some leases with one call.
async fn renew(core: Arc<Core>, batch: Vec<Arc<Hold>>) {
    let these: Vec<usize> = batch.iter().map(identity).collect();
    renew_all(&core, batch).await;
    let mut schedule = core.renewer.schedule();
    for hold in these {
        schedule.renewing.remove(&hold);
    }
}

async fn renew_all(core: &Arc<Core>, batch: Vec<Arc<Hold>>) {
    let sent = Tick::now();
    let mut asked = Vec::with_capacity(batch.len());
    for hold in batch {
        hold.set_renewal(None);
        let renewal = hold.lease().renewal(sent);
        let rest = hold.lease().remaining(sent);
        match renewal {
            _ if hold.is_over() => {}
            Some(life) => asked.push((hold, life)),
            None if rest.is_zero() => hold.lose(),
            None => {
                tracing::warn!(
                    target: "dspinlock", key = %hold.spec.key, max_block = ?hold.spec.options.max_block, ?rest,
                    "`max_block` is near: the lease is not renewed any more"
                );
                // Held until then, so that a shutdown finds it, and lost from then on.
                core.renewer.again(&hold, sent + rest);
            }
        }
    }
    if asked.is_empty() {
        return;
    }
    let request = Renew(asked.iter().map(|(hold, life)| one(hold, *life)).collect());
    let reply = core.store.call(&request).await;
    drop(request);
    match reply {
        Ok(renewed) => {
            for ((hold, life), renewed) in asked.into_iter().zip(renewed) {
                if renewed && hold.lease().renewed(life, sent, Tick::now()) {
                    let at = hold.lease().renew_at();
                    core.renewer.again(&hold, at);
                } else {
                    hold.lose();
                }
            }
        }
        Err(error) => {
            tracing::warn!(target: "dspinlock", %error, locks = asked.len(), "could not renew; trying again");
            let now = Tick::now();
            for (hold, _) in asked {
                let lease = *hold.lease();
                if lease.is_valid(now) {
                    core.renewer.again(&hold, lease.retry_at(now));
                } else {
                    hold.lose();
                }
            }
        }
    }
}
