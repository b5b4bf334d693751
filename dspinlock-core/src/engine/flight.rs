//! Single flight: the callers in one process that want the same value share one attempt on its key.
//!
//! One of them leads: it talks to the server and computes where that is needed. The others wait for it to land. A leader
//! that goes without landing, by a panic or a drop, is succeeded by one of those who waited.

use crate::engine::waits::Run;
use crate::error::Error;
use crate::format::envelope::{Label, Payload};
use crate::format::note::Failure;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What came of a flight.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// The value, with the record that it belongs to where it was read from the store.
    Value { payload: Payload, record: Option<Arc<[u8]>> },
    /// The work is done, and has no value.
    Done,
    /// The computation failed.
    Failed(Failure),
    /// There is a value that can't be shared: each caller computes its own.
    Unshared,
    /// The lock could not be had.
    Error(Error),
}

/// What a flight is about: the record's name, and what kind of value is wanted.
type Course = (String, Option<Label>);

/// Everybody who waits has one.
#[derive(Clone)]
pub(crate) struct Follower {
    landing: watch::Receiver<Option<Landing>>,
    leader: Arc<Run>,
    /// Whether it was logged that the flight takes long.
    told: Arc<AtomicBool>,
}

impl Follower {
    /// The call that is waited for.
    pub(crate) fn leader(&self) -> &Arc<Run> {
        &self.leader
    }

    /// Whether this is the first of the flight to tell that it takes long.
    pub(crate) fn tells(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// Waits for the flight to land; `None` if its leader has gone.
    pub(crate) async fn landed(mut self) -> Option<Landing> {
        self.landing.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// The flights of one client.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Course, Follower>>>);

/// A caller's part in a flight.
pub(crate) enum Join {
    Lead(Lead),
    Follow(Follower),
}

impl Flights {
    fn map(&self) -> MutexGuard<'_, HashMap<Course, Follower>> {
        // Inserting and removing leave the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `caller` leads if nobody does.
    pub(crate) fn join(&self, record: &str, label: Option<&Label>, caller: &Arc<Run>) -> Join {
        let course = (record.to_owned(), label.cloned());
        match self.map().entry(course) {
            Entry::Occupied(entry) => Join::Follow(entry.get().clone()),
            Entry::Vacant(entry) => {
                let (sender, landing) = watch::channel(None);
                let course = entry.key().clone();
                entry.insert(Follower { landing, leader: Arc::clone(caller), told: Arc::default() });
                Join::Lead(Lead { flights: self.clone(), course, sender })
            }
        }
    }

    /// Has callers from now on start another flight: what those under way bring may be out of date.
    pub(crate) fn close(&self, record: &str) {
        self.map().retain(|(name, _), _| name != record);
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &self.map().len()).finish()
    }
}

/// The leader's part: dropped without landing, another takes over.
pub(crate) struct Lead {
    flights: Flights,
    course: Course,
    sender: watch::Sender<Option<Landing>>,
}

impl Lead {
    /// Ends the flight. Callers from now on start another.
    pub(crate) fn land(self, landing: Landing) {
        self.leave();
        self.sender.send_replace(Some(landing));
    }

    fn leave(&self) {
        let mut map = self.flights.map();
        // After landing, or a succession, the entry may be another flight's, as it is after a close.
        if map
            .get(&self.course)
            .is_some_and(|follower| follower.landing.same_channel(&self.sender.subscribe()))
        {
            map.remove(&self.course);
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
    async fn followers_land_with_the_leader_and_later_callers_start_anew() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let followers = [follow(&flights), follow(&flights)];
        leader.land(Landing::Done);
        for follower in followers {
            assert!(matches!(follower.landed().await, Some(Landing::Done)));
        }
        drop(lead(&flights));
    }

    #[tokio::test]
    async fn a_leader_that_goes_is_noticed_and_succeeded() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        drop(leader);
        assert!(follower.landed().await.is_none());
        let next = lead(&flights);
        assert!(matches!(flights.join("other", None, &caller()), Join::Lead(_)));
        next.land(Landing::Done);
    }
}
