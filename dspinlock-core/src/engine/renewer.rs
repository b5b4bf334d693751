//! The watchdog: one task a client that renews the leases of all its held locks, many in one call.
//!
//! The task is there while locks are held, and not otherwise: it starts with the first lock and ends when it wakes up and
//! finds none. A lock that is held only briefly costs one insertion and one removal in a map.

use crate::clock::Tick;
use crate::engine::grant::Grant;
use crate::engine::line::Lines;
use crate::store::{Renew, RenewOne, Store};
use crate::worker::Worker;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Leases that are due within this time are renewed together.
const BATCH_WINDOW: Duration = Duration::from_millis(50);

/// How many leases one call renews at the most: a script blocks the server while it runs.
const BATCH_SIZE: usize = 256;

/// The leases of one client.
#[derive(Clone)]
pub(crate) struct Renewer(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    worker: Worker,
    lines: Lines,
    schedule: Mutex<Schedule>,
    sooner: Notify,
}

#[derive(Default)]
struct Schedule {
    /// Grants by the moment at which they are to be renewed; the second part tells those of one moment apart.
    due: BTreeMap<(Tick, usize), Arc<Grant>>,
    /// Grants whose renewal is on its way.
    renewing: HashMap<usize, Arc<Grant>>,
    /// When the task wakes up; `None` while there is no task.
    wakes: Option<Tick>,
}

/// What the task does next.
enum Next {
    Renew(Vec<Arc<Grant>>),
    Sleep(Tick),
    End,
}

/// Tells two grants of one moment apart.
fn identity(grant: &Arc<Grant>) -> usize {
    Arc::as_ptr(grant).addr()
}

impl Renewer {
    pub(crate) fn new(store: Arc<Store>, worker: Worker, lines: Lines) -> Self {
        let (schedule, sooner) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { store, worker, lines, schedule, sooner }))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing that could panic runs between two changes of the schedule.
        self.0.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lease of `grant` from now on.
    pub(crate) fn add(&self, grant: &Arc<Grant>) {
        let at = grant.lease().renew_at();
        grant.set_renewal(Some(at));
        self.insert(grant, at);
    }

    fn insert(&self, grant: &Arc<Grant>, at: Tick) {
        let mut schedule = self.schedule();
        schedule.due.insert((at, identity(grant)), Arc::clone(grant));
        match schedule.wakes {
            Some(wakes) if wakes <= at => {}
            Some(_) => {
                schedule.wakes = Some(at);
                self.0.sooner.notify_one();
            }
            None => {
                schedule.wakes = Some(at);
                let this = self.clone();
                self.0.worker.detach(async move { this.run().await });
            }
        }
    }

    /// All locks that are held.
    pub(crate) fn held(&self) -> Vec<Arc<Grant>> {
        let schedule = self.schedule();
        schedule.due.values().chain(schedule.renewing.values()).cloned().collect()
    }

    /// Ends a holding, and its renewals; `false` if it had ended before.
    pub(crate) fn end(&self, grant: &Arc<Grant>) -> bool {
        let first = grant.end();
        if first {
            self.remove(grant);
        }
        first
    }

    /// [`end`](Self::end), by a shutdown.
    pub(crate) fn revoke(&self, grant: &Arc<Grant>) -> bool {
        let first = grant.revoke();
        if first {
            self.remove(grant);
        }
        first
    }

    fn remove(&self, grant: &Arc<Grant>) {
        if let Some(at) = grant.set_renewal(None) {
            self.schedule().due.remove(&(at, identity(grant)));
        }
    }

    /// Renews what is due until nothing is left.
    async fn run(&self) {
        loop {
            let now = Tick::now();
            match self.next(now) {
                Next::Renew(due) => {
                    for batch in due.chunks(BATCH_SIZE) {
                        // A task of its own: a server that is slow to answer must not hold up the next renewals.
                        let (this, batch) = (self.clone(), batch.to_vec());
                        self.0.worker.detach(async move { this.renew(batch).await });
                    }
                }
                Next::Sleep(until) => {
                    // Both ends mean the same: look again.
                    let _ = tokio::time::timeout(now.until(until), self.0.sooner.notified()).await;
                }
                Next::End => return,
            }
        }
    }

    /// Nothing is renewed before the first lease is due, since a short one is always due soon.
    fn next(&self, now: Tick) -> Next {
        let mut schedule = self.schedule();
        schedule.wakes = schedule.due.first_key_value().map(|(&(at, _), _)| at);
        match schedule.wakes {
            None => Next::End,
            Some(at) if at > now => Next::Sleep(at),
            Some(_) => {
                let later = schedule.due.split_off(&(now + BATCH_WINDOW, 0));
                let due: Vec<_> = std::mem::replace(&mut schedule.due, later).into_values().collect();
                schedule.renewing.extend(due.iter().map(|grant| (identity(grant), Arc::clone(grant))));
                Next::Renew(due)
            }
        }
    }

    /// Renews some leases with one call.
    async fn renew(&self, batch: Vec<Arc<Grant>>) {
        let these: Vec<usize> = batch.iter().map(identity).collect();
        let sent = Tick::now();
        let asked = batch.into_iter().filter_map(|grant| Some((self.life_to_ask(&grant, sent)?, grant)));
        let asked: Vec<_> = asked.collect();
        if !asked.is_empty() {
            self.ask(&asked, sent).await;
        }
        let mut schedule = self.schedule();
        for grant in these {
            schedule.renewing.remove(&grant);
        }
    }

    /// How long a lease is to live from now on; `None` if it is not to be renewed.
    fn life_to_ask(&self, grant: &Arc<Grant>, now: Tick) -> Option<Duration> {
        grant.set_renewal(None);
        if grant.is_over() || grant.tag.is_none() {
            return None;
        }
        // One lock at a time: in one expression the first guard would live on.
        let lease = *grant.lease();
        let (life, rest) = (lease.renewal(now), lease.remaining(now));
        if life.is_some() {
            return life;
        }
        if rest.is_zero() {
            self.lose(grant);
        } else {
            tracing::warn!(
                target: "dspinlock", key = %grant.spec.key, max_block = ?grant.spec.options.max_block, ?rest,
                "`max_block` is near: the lease is not renewed any more"
            );
            // Held until then, so that a shutdown finds it, and lost from then on.
            self.again(grant, now + rest);
        }
        None
    }

    async fn ask(&self, asked: &[(Duration, Arc<Grant>)], sent: Tick) {
        let request = Renew(asked.iter().filter_map(|(life, grant)| one(grant, *life)).collect());
        match self.0.store.call(&request).await {
            Ok(renewed) => {
                for ((life, grant), renewed) in asked.iter().zip(renewed) {
                    if renewed && grant.lease().renewed(*life, sent, Tick::now()) {
                        let at = grant.lease().renew_at();
                        self.again(grant, at);
                    } else {
                        self.lose(grant);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(target: "dspinlock", %error, locks = asked.len(), "could not renew; trying again");
                let now = Tick::now();
                for (_, grant) in asked {
                    let lease = *grant.lease();
                    if lease.is_valid(now) {
                        self.again(grant, lease.retry_at(now));
                    } else {
                        self.lose(grant);
                    }
                }
            }
        }
    }

    fn again(&self, grant: &Arc<Grant>, at: Tick) {
        grant.set_renewal(Some(at));
        if grant.is_over() {
            grant.set_renewal(None);
        } else {
            self.insert(grant, at);
        }
    }

    /// Takes in that the server no longer has the record as ours, or has not said in time that it has.
    fn lose(&self, grant: &Grant) {
        if grant.lose() {
            let spec = &grant.spec;
            tracing::warn!(target: "dspinlock", key = %spec.key, "lost the lock: its record is gone or another's, or its lease ran out");
            self.0.lines.call_first(&spec.names.record, 0, Duration::ZERO);
        }
    }
}

fn one(grant: &Grant, life: Duration) -> Option<RenewOne<'_>> {
    let (spec, tag) = (&grant.spec, grant.tag.as_ref()?);
    Some(RenewOne { names: &spec.names, tag, life, fence_life: spec.options.fence_life() })
}
