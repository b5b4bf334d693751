//! Single flight: the callers in one process that want the same value share one attempt on its key.
//!
//! One of them leads: it talks to the server, and computes if necessary. The others follow: they wait for its result. If a
//! leader goes without a result, by a panic or a drop, one of its followers leads next.

use crate::engine::waits::Run;
use crate::error::Error;
use crate::format::envelope::{Label, Stored};
use crate::format::note::Failure;
use crate::sync::lock;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The result of a flight, for all of its callers.
#[derive(Clone, Debug)]
pub(crate) enum FlightResult {
    /// The value.
    Value(Stored),
    /// The work is done, and has no value.
    Done,
    /// The computation failed.
    Failed(Failure),
    /// The value can't be shared: each caller computes its own.
    Unshared,
    /// The lock was not granted.
    Error(Error),
}

/// Identifies a flight: the record's name, and the label of the value.
type FlightKey = (String, Option<Label>);

/// A caller's way to wait for the result of a flight.
#[derive(Clone)]
pub(crate) struct Follower {
    result: watch::Receiver<Option<FlightResult>>,
    leader: Arc<Run>,
    /// Whether it was logged that the flight takes long.
    is_logged: Arc<AtomicBool>,
}

impl Follower {
    /// The call that leads the flight.
    pub(crate) fn leader(&self) -> &Arc<Run> {
        &self.leader
    }

    /// Whether the caller is the first of the flight to log that it takes long.
    pub(crate) fn is_first_to_log(&self) -> bool {
        !self.is_logged.swap(true, Ordering::Relaxed)
    }

    /// Waits for the result of the flight; `None` if its leader has gone.
    pub(crate) async fn result(mut self) -> Option<FlightResult> {
        self.result.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// The flights of one client.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<FlightKey, Follower>>>);

/// A caller's part in a flight.
pub(crate) enum Join {
    Lead(Lead),
    Follow(Follower),
}

impl Flights {
    /// Joins the flight for this value. `caller` leads if no other call does.
    pub(crate) fn join(&self, record: &str, label: Option<&Label>, caller: &Arc<Run>) -> Join {
        let key = (record.to_owned(), label.cloned());
        match lock(&self.0).entry(key) {
            Entry::Occupied(entry) => Join::Follow(entry.get().clone()),
            Entry::Vacant(entry) => {
                let (sender, result) = watch::channel(None);
                let key = entry.key().clone();
                entry.insert(Follower { result, leader: Arc::clone(caller), is_logged: Arc::default() });
                Join::Lead(Lead { flights: self.clone(), key, sender })
            }
        }
    }

    /// Closes the flights on this record to later callers: their results may be out of date.
    pub(crate) fn close(&self, record: &str) {
        lock(&self.0).retain(|(name, _), _| name != record);
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &lock(&self.0).len()).finish()
    }
}

/// The leader's part. If it is dropped without a result, a follower leads next.
pub(crate) struct Lead {
    flights: Flights,
    key: FlightKey,
    sender: watch::Sender<Option<FlightResult>>,
}

impl Lead {
    /// Ends the flight. Later callers start another.
    pub(crate) fn end(self, result: FlightResult) {
        self.leave();
        self.sender.send_replace(Some(result));
    }

    fn leave(&self) {
        let mut flights = lock(&self.flights.0);
        // After an end, a succession or a close, the entry may be another flight's.
        if flights
            .get(&self.key)
            .is_some_and(|follower| follower.result.same_channel(&self.sender.subscribe()))
        {
            flights.remove(&self.key);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::client::Client;
    use crate::engine::waits::Caller;

    fn caller() -> Arc<Run> {
        let lock = Client::memory().lock("key").resolved().unwrap();
        Arc::clone(Caller::blocking(lock.core.address(), &lock.spec).run())
    }

    fn lead(flights: &Flights) -> Lead {
        match flights.join("key", None, &caller()) {
            Join::Lead(lead) => lead,
            Join::Follow(_) => panic!("a flight is under way"),
        }
    }

    fn follow(flights: &Flights) -> Follower {
        match flights.join("key", None, &caller()) {
            Join::Follow(follower) => follower,
            Join::Lead(_) => panic!("no flight is under way"),
        }
    }

    #[tokio::test]
    async fn followers_get_the_leaders_result_and_later_callers_start_another_flight() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let followers = [follow(&flights), follow(&flights)];
        leader.end(FlightResult::Done);
        for follower in followers {
            assert!(matches!(follower.result().await, Some(FlightResult::Done)));
        }
        drop(lead(&flights));
    }

    #[tokio::test]
    async fn a_follower_notices_that_the_leader_has_gone_and_leads_next() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        drop(leader);
        assert!(follower.result().await.is_none());
        let next = lead(&flights);
        assert!(matches!(flights.join("other", None, &caller()), Join::Lead(_)));
        next.end(FlightResult::Done);
    }
}
