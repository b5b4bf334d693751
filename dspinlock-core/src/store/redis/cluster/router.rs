//! Sends each request to the node that has the slot, and on to where it has moved.

use super::map::SlotMap;
use super::nodes::Node;
use super::slots;
use super::trip::{Next, Trip, next};
use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Request};
use crate::store::redis::link::Limits;
use crate::store::redis::refusal::Redirect;
use crate::store::redis::server::Failure;
use crate::worker::Worker;
use std::future::Future;
use std::sync::Arc;

/// How often a request is sent on. Once is enough, unless slots move at this very moment.
const REDIRECTS: u32 = 4;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The library's own thread.
    Library,
    /// The caller's task, on whatever executor that is.
    Task,
    /// The caller's thread, which may block: then poll the future there, and nowhere else.
    Thread,
}

/// Sends requests over the nodes of a cluster.
pub(super) struct Router {
    pub(super) map: Arc<SlotMap>,
    pub(super) worker: Worker,
    pub(super) limits: Limits,
}

/// Sends a request to a node. With `asking`, the node may not have the slot yet, and notifies of nothing.
pub(super) async fn send(
    node: &Node,
    request: Request<'_>,
    door: Door,
    track: bool,
    asking: bool,
) -> Result<Answer, Failure> {
    match door {
        Door::Library => node.redis.answer(request, track && !asking, asking).await,
        Door::Task => node.redis.answer_here(request, asking).await,
        Door::Thread => node.redis.answer_blocking(request, asking),
    }
}

impl Router {
    /// Sends a request for one lock to the node that has its slot.
    pub(super) async fn go(
        &self,
        request: Request<'_>,
        names: &Names,
        door: Door,
        track: bool,
    ) -> Result<Answer> {
        let mut trip = Trip::new(names.hash_slot, self.owner(names.hash_slot, door).await?);
        loop {
            let node = Arc::clone(&trip.node);
            let sent = match next(request, &node.redis.server.clock) {
                Next::Same => send(&node, request, door, track, trip.asking).await,
                Next::Converted(acquire) => {
                    send(&node, Request::Acquire(&acquire), door, track, trip.asking).await
                }
                Next::Time => match send(&node, Request::Time(names), door, false, false).await {
                    Ok(_) => {
                        self.in_time(&trip)?;
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            match sent {
                Ok(answer) => return Ok(trip.answered(answer)),
                Err(failure) if failure.outage && self.goes_on(&trip) => {
                    // Its replica may have taken over.
                    self.look_again(&trip, door).await;
                    self.replace(&mut trip, failure)?;
                }
                Err(failure) => {
                    if let Some(with_one_key) = trip.instead(request, &failure) {
                        let going = Box::pin(self.go(with_one_key.request(), names, door, false));
                        return Ok(trip.answered(going.await?));
                    }
                    self.follow(&mut trip, failure)?;
                }
            }
        }
    }

    /// Turns the trip to the node that a refusal names.
    ///
    /// # Errors
    ///
    /// The failure, if it names none, or was not the first one of many.
    fn follow(&self, trip: &mut Trip, failure: Failure) -> Result<()> {
        let (text, asking) = match &failure.redirect {
            Some(Redirect::Moved(text)) => (text, false),
            Some(Redirect::Ask(text)) => (text, true),
            Some(Redirect::TryAgain) => return Err(trip.failed(failure.error)),
            None => return Err(trip.failed(self.map.note(failure))),
        };
        let Some(address) = slots::host(text, &trip.node.address) else {
            return Err(trip.failed(failure.error));
        };
        trip.node = if asking {
            self.map.nodes.at(&address)?
        } else {
            let (node, is_news) = self.map.nodes.moved(trip.slot, &address)?;
            if is_news {
                self.map.refresh_soon();
            }
            node
        };
        trip.asking = asking;
        trip.redirects += 1;
        self.in_time(trip)
    }

    /// Turns the trip to the node that has the slot by now, after one that is out of reach.
    ///
    /// # Errors
    ///
    /// The failure, if that is still the same node.
    fn replace(&self, trip: &mut Trip, failure: Failure) -> Result<()> {
        match self.map.nodes.owner(trip.slot) {
            Some(node) if !Arc::ptr_eq(&node, &trip.node) => {
                trip.repeated |= failure.repeated || !failure.error.is_untouched();
                (trip.node, trip.asking) = (node, false);
                trip.redirects += 1;
                self.in_time(trip)
            }
            _ => Err(trip.failed(self.map.note(failure))),
        }
    }

    /// Whether a request may be sent to one more node. It must not arrive after it was given up.
    fn goes_on(&self, trip: &Trip) -> bool {
        trip.redirects <= REDIRECTS && Tick::now() < self.last_node(trip)
    }

    /// Until when one more node may be asked.
    fn last_node(&self, trip: &Trip) -> Tick {
        trip.started + self.limits.response_timeout
    }

    /// Ends a trip that goes on for too long.
    fn in_time(&self, trip: &Trip) -> Result<()> {
        if self.goes_on(trip) {
            return Ok(());
        }
        let what = "the nodes of the cluster sent the request from one to another; its slot is on the move";
        Err(trip.failed(Error::new(ErrorKind::Backend, what).passing().untouched()))
    }

    /// The node that has a slot, as far as it is known. The slots are asked for at the first call.
    pub(super) async fn owner(&self, slot: u16, door: Door) -> Result<Arc<Node>> {
        if let Some(node) = self.map.nodes.owner(slot) {
            return Ok(node);
        }
        self.known(door).await?;
        self.served(slot)
    }

    fn served(&self, slot: u16) -> Result<Arc<Node>> {
        self.map.nodes.owner(slot).ok_or_else(|| {
            self.map.refresh_soon();
            let what = format!("no node of the cluster serves slot {slot} at present");
            Error::new(ErrorKind::Backend, what).passing().untouched()
        })
    }

    /// Asks for the slots, unless they are known.
    pub(super) async fn known(&self, door: Door) -> Result<()> {
        if self.map.nodes.are_known() {
            return Ok(());
        }
        let map = Arc::clone(&self.map);
        self.by_thread(door, async move { map.load().await }).await
    }

    /// Asks for the slots again, while the trip has time.
    async fn look_again(&self, trip: &Trip, door: Door) {
        let (map, until) = (Arc::clone(&self.map), self.last_node(trip));
        // What was not learnt shows in what is known afterwards.
        let _ = self.by_thread(door, async move { map.load_until(until).await }).await;
    }

    /// Does something on the library's thread.
    async fn by_thread(
        &self,
        door: Door,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Result<()> {
        match door {
            Door::Library => task.await,
            Door::Task => self.worker.attend(task).await,
            Door::Thread => self.worker.block_on(task),
        }
    }
}
