//! The watchdog: one task for each client that renews the leases of all its held locks, many in one call.
//!
//! The task starts with the first lock, and ends when it wakes up and finds none. A lock that is held only briefly
//! costs one insertion into a map and one removal.

use crate::clock::Tick;
use crate::engine::grant::Grant;
use crate::engine::queue::Queues;
use crate::error::Error;
use crate::observe::{self, Held, Renewal};
use crate::store::{Renew, RenewOne, Store};
use crate::sync::lock;
use crate::worker::Worker;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// Leases that are due within this time are renewed together.
const BATCH_WINDOW: Duration = Duration::from_millis(50);

/// The most leases that one call renews, all on one server. A script blocks the server while it runs.
const BATCH_SIZE: usize = 256;

/// The leases of one client.
#[derive(Clone)]
pub(crate) struct Renewer(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    worker: Worker,
    queues: Queues,
    schedule: Mutex<Schedule>,
    /// Since when each server, by its [place](Store::place), has failed to renew.
    failing: Mutex<HashMap<usize, Tick>>,
    /// Notified when a grant is due before the task would wake up.
    sooner: Notify,
}

#[derive(Default)]
struct Schedule {
    /// The grants to renew, by the moment when they are due. The second part of the key tells those of one moment
    /// apart.
    due: BTreeMap<(Tick, usize), Arc<Grant>>,
    /// The grants whose renewal is on its way.
    renewing: HashMap<usize, Arc<Grant>>,
    /// When the task wakes up; `None` while there is no task.
    wakes: Option<Tick>,
}

/// The next act of the task.
enum Action {
    Renew(Vec<Arc<Grant>>),
    Sleep(Tick),
    End,
}

/// Tells two grants apart. Only unique while both live.
fn address(grant: &Arc<Grant>) -> usize {
    Arc::as_ptr(grant).addr()
}

impl Renewer {
    pub(crate) fn new(store: Arc<Store>, worker: Worker, queues: Queues) -> Self {
        let (schedule, sooner) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { store, worker, queues, schedule, failing: Mutex::default(), sooner }))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.0.schedule)
    }

    /// Renews the lease of `grant` from now on.
    pub(crate) fn add(&self, grant: &Arc<Grant>) {
        let at = grant.lease().renew_at();
        grant.set_renewal(Some(at));
        self.insert(grant, at);
    }

    fn insert(&self, grant: &Arc<Grant>, at: Tick) {
        let mut schedule = self.schedule();
        schedule.due.insert((at, address(grant)), Arc::clone(grant));
        if schedule.wakes.is_some_and(|wakes| wakes <= at) {
            return;
        }
        if schedule.wakes.replace(at).is_some() {
            self.0.sooner.notify_one();
        } else {
            let this = self.clone();
            self.0.worker.detach(async move { this.run().await });
        }
    }

    /// All locks that are held.
    pub(crate) fn held(&self) -> Vec<Arc<Grant>> {
        let schedule = self.schedule();
        schedule.due.values().chain(schedule.renewing.values()).cloned().collect()
    }

    /// Ends a holding and its renewals; `false` if it had ended before.
    pub(crate) fn end(&self, grant: &Arc<Grant>) -> bool {
        let first = grant.end();
        if first {
            self.remove(grant);
        }
        first
    }

    /// Takes in that so much time has passed at once: a test has moved the clock. What is due by then is renewed now.
    pub(crate) fn pass(&self, time: Duration) {
        for grant in self.held() {
            grant.pass(time);
            // A grant whose renewal is on its way joins the schedule again after the reply.
            if self.remove(&grant) {
                self.again(&grant, grant.lease().renew_at());
            }
        }
    }

    /// [`end`](Self::end), by a shutdown.
    pub(crate) fn revoke(&self, grant: &Arc<Grant>) -> bool {
        let first = grant.revoke();
        if first {
            self.remove(grant);
        }
        first
    }

    /// Removes a grant from the schedule; `false` if it was not there.
    fn remove(&self, grant: &Arc<Grant>) -> bool {
        let at = grant.set_renewal(None);
        at.is_some_and(|at| self.schedule().due.remove(&(at, address(grant))).is_some())
    }

    /// Renews what is due until nothing is left.
    async fn run(&self) {
        loop {
            let now = Tick::now();
            match self.next(now) {
                Action::Renew(due) => {
                    // A server that is out of reach must cost no lease on another one.
                    let mut by_server: BTreeMap<usize, Vec<_>> = BTreeMap::new();
                    for grant in due {
                        by_server.entry(self.0.store.place(&grant.spec.names)).or_default().push(grant);
                    }
                    for batch in by_server.values().flat_map(|due| due.chunks(BATCH_SIZE)) {
                        // In a task of its own, so that a slow server does not delay the next renewals.
                        let (this, batch) = (self.clone(), batch.to_vec());
                        self.0.worker.detach(async move { this.renew(batch).await });
                    }
                }
                Action::Sleep(until) => {
                    // Check again after either.
                    let _ = tokio::time::timeout(now.until(until), self.0.sooner.notified()).await;
                }
                Action::End => return,
            }
        }
    }

    /// Decides what the task does now. Leases that are due soon are renewed early, but only together with one that is
    /// due now: short leases are always due soon.
    fn next(&self, now: Tick) -> Action {
        let mut schedule = self.schedule();
        schedule.wakes = schedule.due.first_key_value().map(|(&(at, _), _)| at);
        match schedule.wakes {
            None => Action::End,
            Some(at) if at > now => Action::Sleep(at),
            Some(_) => {
                let later = schedule.due.split_off(&(now + BATCH_WINDOW, 0));
                let due: Vec<_> = std::mem::replace(&mut schedule.due, later).into_values().collect();
                schedule.renewing.extend(due.iter().map(|grant| (address(grant), Arc::clone(grant))));
                Action::Renew(due)
            }
        }
    }

    /// Renews some leases with one call.
    async fn renew(&self, batch: Vec<Arc<Grant>>) {
        let sent = Tick::now();
        let asked: Vec<_> =
            batch.iter().filter_map(|grant| Some((grant, self.life_to_ask(grant, sent)?))).collect();
        if !asked.is_empty() {
            self.ask(&asked, sent).await;
        }
        let mut schedule = self.schedule();
        for grant in &batch {
            schedule.renewing.remove(&address(grant));
        }
    }

    /// Returns how long a lease is to live from now on; `None` if it is not to be renewed.
    fn life_to_ask(&self, grant: &Arc<Grant>, now: Tick) -> Option<Duration> {
        grant.set_renewal(None);
        if grant.is_over() || grant.tag.is_none() {
            return None;
        }
        let lease = grant.lease();
        let life = lease.renewal(now);
        if life.is_none() {
            self.let_run_out(grant, lease.remaining(now), now);
        }
        life
    }

    /// Lets a lease at its cap run out. `rest` of it is left.
    fn let_run_out(&self, grant: &Arc<Grant>, rest: Duration, now: Tick) {
        if rest.is_zero() {
            self.lose(grant, "its `max_block` is over");
            return;
        }
        tracing::warn!(
            target: "dspinlock", key = %grant.spec.key, function = grant.spec.function, max_block = ?grant.spec.options.max_block, ?rest,
            "`max_block` is near: the lease is not renewed any more"
        );
        // It stays in the schedule, so that a shutdown finds it, and is lost when it is due.
        self.again(grant, now + rest);
    }

    /// Asks the server to renew these leases, each for the life that goes with it.
    async fn ask(&self, asked: &[(&Arc<Grant>, Duration)], sent: Tick) {
        let request = Renew(asked.iter().filter_map(|&(grant, life)| renewal(grant, life)).collect());
        match self.0.store.call(&request).await {
            Ok(renewed) => {
                self.note_success(asked);
                for (&(grant, life), renewed) in asked.iter().zip(renewed) {
                    match renewed {
                        Some(renewed) => {
                            let in_time = renewed && grant.renewed(life, sent);
                            let why = if renewed {
                                "the reply to its renewal came when its lease was over"
                            } else {
                                "its record is gone or another's"
                            };
                            let result = if in_time { Renewal::Renewed } else { Renewal::Lost };
                            observe::renewal(&grant.spec.subject, result);
                            self.again_or_lose(grant, in_time.then(|| grant.lease().renew_at()), why);
                        }
                        None => self.retry(grant),
                    }
                }
            }
            Err(error) => {
                self.note_failure(asked, &error);
                for &(grant, _) in asked {
                    self.retry(grant);
                }
            }
        }
    }

    /// Logs that leases were not renewed, with the first of them by name: of many locks, the others have the same server.
    fn note_failure(&self, asked: &[(&Arc<Grant>, Duration)], error: &Error) {
        let Some(&(first, _)) = asked.first() else { return };
        let spec = &first.spec;
        lock(&self.0.failing).entry(self.0.store.place(&spec.names)).or_insert_with(Tick::now);
        let rest = first.lease().remaining(Tick::now());
        tracing::warn!(
            target: "dspinlock", %error, locks = asked.len(), keys = %Named(asked), function = spec.function, ?rest,
            "could not renew; trying again"
        );
    }

    /// Logs that leases are renewed again, after a failure.
    fn note_success(&self, asked: &[(&Arc<Grant>, Duration)]) {
        let Some(&(first, _)) = asked.first() else { return };
        let spec = &first.spec;
        if let Some(since) = lock(&self.0.failing).remove(&self.0.store.place(&spec.names)) {
            tracing::info!(
                target: "dspinlock", locks = asked.len(), keys = %Named(asked), function = spec.function,
                after = ?(Tick::now() - since), "renewing again"
            );
        }
    }

    /// Schedules another try of a renewal of which nobody knows whether it was done, while the lease lasts.
    fn retry(&self, grant: &Arc<Grant>) {
        observe::renewal(&grant.spec.subject, Renewal::Failed);
        let (now, lease) = (Tick::now(), grant.lease());
        let at = lease.is_valid(now).then(|| lease.retry_at(now));
        self.again_or_lose(grant, at, "the server did not renew its lease in time");
    }

    fn again_or_lose(&self, grant: &Arc<Grant>, at: Option<Tick>, why: &str) {
        match at {
            Some(at) => self.again(grant, at),
            None => self.lose(grant, why),
        }
    }

    /// Schedules the next renewal, unless the lock has been given back meanwhile.
    fn again(&self, grant: &Arc<Grant>, at: Tick) {
        grant.set_renewal(Some(at));
        if grant.is_over() {
            grant.set_renewal(None);
        } else {
            self.insert(grant, at);
        }
    }

    /// Takes in that the record is no longer ours, or that the server has not renewed the lease in time. `why` is for the log.
    pub(crate) fn lose(&self, grant: &Grant, why: &str) {
        if grant.lose() {
            grant.holding.end(Held::Lost);
            let spec = &grant.spec;
            tracing::warn!(target: "dspinlock", key = %spec.key, function = spec.function, why, "lost the lock");
            self.0.queues.wake_first(&spec.names.record, 0, Duration::ZERO);
        }
    }
}

/// The most locks that a line of the log names.
const NAMED: usize = 3;

/// The keys of the first of these locks, for the log.
struct Named<'a>(&'a [(&'a Arc<Grant>, Duration)]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (grant, _)) in self.0.iter().take(NAMED).enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", grant.spec.text())?;
        }
        if self.0.len() > NAMED { f.write_str(", …") } else { Ok(()) }
    }
}

fn renewal(grant: &Grant, life: Duration) -> Option<RenewOne<'_>> {
    let (spec, tag) = (&grant.spec, grant.tag.as_ref()?);
    Some(RenewOne { names: &spec.names, tag, life })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    const LEASE: Duration = Duration::from_secs(10);

    /// A grant that is half a lease old, of a turn that the server knows.
    fn held(client: &Client, max_block: Duration) -> (crate::Guard, Arc<Grant>) {
        let guard = client.lock("key").lease(LEASE).max_block(max_block).acquire_blocking().unwrap();
        let first = guard.grant();
        let (spec, tag) = (Arc::clone(&first.spec), first.tag.clone().unwrap());
        let sent = Tick::now().before(LEASE / 2);
        let grant = Arc::new(Grant::new(std::process::id(), spec, tag, first.fence, sent, 0));
        (guard, grant)
    }

    #[tokio::test]
    async fn a_renewal_extends_the_lease_and_is_scheduled_again() {
        let client = Client::memory();
        let (_guard, grant) = held(&client, 6 * LEASE);
        let renewer = &client.core().renewer;
        renewer.renew(vec![Arc::clone(&grant)]).await;
        assert!(grant.lease().remaining(Tick::now()) > LEASE / 2);
        assert!(renewer.held().iter().any(|held| Arc::ptr_eq(held, &grant)));
        renewer.end(&grant);
        assert!(!renewer.held().iter().any(|held| Arc::ptr_eq(held, &grant)));
    }

    #[tokio::test]
    async fn a_lease_at_its_cap_is_kept_until_its_end_and_not_renewed() {
        let client = Client::memory();
        let (_guard, grant) = held(&client, LEASE);
        let renewer = &client.core().renewer;
        renewer.renew(vec![Arc::clone(&grant)]).await;
        assert!(grant.is_held() && grant.lease().remaining(Tick::now()) <= LEASE / 2);
        assert!(renewer.held().iter().any(|held| Arc::ptr_eq(held, &grant)));
        renewer.end(&grant);
    }

    #[tokio::test]
    async fn a_lock_whose_record_is_gone_is_lost() {
        let client = Client::memory();
        let (guard, grant) = held(&client, 6 * LEASE);
        guard.release().await.unwrap();
        client.core().renewer.renew(vec![Arc::clone(&grant)]).await;
        assert!(!grant.is_held() && !grant.is_over());
    }
}
