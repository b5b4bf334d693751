//! One request on its way from node to node: where its lock's slot is, has moved to, or is moving to.

use super::Cluster;
use super::nodes::Node;
use super::slots::Address;
use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::format::scheme::Names;
use crate::store::backend::{Answer, End, Request};
use crate::store::redis::refusal::Redirect;
use crate::store::redis::server::Failure;
use crate::store::{Abandon, Acquire, Clock, Fail, Release};
use std::sync::Arc;
use std::time::Duration;

/// How often a request is sent on. Once is enough, unless slots move at this very moment.
const REDIRECTS: u32 = 4;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The library's own thread.
    Thread,
    /// The caller's task, on whatever executor that is.
    Task,
}

/// A request under way.
struct Trip {
    slot: u16,
    started: Tick,
    redirects: u32,
    /// Some node may have done the request although its reply was lost.
    repeated: bool,
    node: Arc<Node>,
    /// The node does not have the slot yet, and answers this one request.
    asking: bool,
}

/// What to send to the node that is asked next.
enum Next<'a> {
    Same,
    /// The same, with its time limit by the clock of this node.
    Converted(Acquire<'a>),
    /// First the node's time, since its clock is not known.
    Time,
}

impl Trip {
    fn new(slot: u16, node: Arc<Node>) -> Self {
        Self { slot, started: Tick::now(), redirects: 0, repeated: false, node, asking: false }
    }

    fn answered(&self, answer: Answer) -> Answer {
        Answer { repeated: answer.repeated | self.repeated, ..answer }
    }

    /// What to send in place of a request whose keys are not on one node at present.
    fn instead<'a>(&mut self, request: Request<'a>, failure: &Failure) -> Option<WithOneKey<'a>> {
        self.repeated |= failure.repeated;
        WithOneKey::of(request).filter(|_| failure.redirect == Some(Redirect::TryAgain))
    }

    /// The error at the end of the trip. A node that was asked before may have done the request all the same.
    fn failed(&self, error: Error) -> Error {
        if self.repeated { error.again() } else { error }
    }
}

/// A `not_after` is read on the clock of the node for which it was made.
fn next<'a>(request: Request<'a>, clock: &'a Arc<Clock>) -> Next<'a> {
    let Request::Acquire(acquire) = request else { return Next::Same };
    let Some(made_for) = acquire.clock.filter(|made_for| !Arc::ptr_eq(made_for, clock)) else {
        return Next::Same;
    };
    let now = Tick::now();
    let Some(here) = clock.at_least(now) else { return Next::Time };
    // Where the other clock is not known any more, the request comes too late, and its caller makes another one.
    let rest = made_for.at_least(now).map_or(Duration::ZERO, |there| there.until(acquire.not_after));
    Next::Converted(Acquire { not_after: here + rest, clock: Some(clock), ..*acquire })
}

/// An end of a turn that needs the record alone.
enum WithOneKey<'a> {
    Release(Release<'a>),
    Abandon(Abandon<'a>),
}

impl<'a> WithOneKey<'a> {
    /// In place of one that needs more keys: of these, some or none are on either node while the slot is on its way. The lock is
    /// free all the same. The others that wait are not counted, and they hear of no failure.
    fn of(request: Request<'a>) -> Option<Self> {
        match request {
            Request::End(End::Release(&Release { names, tag, expire, value: None, caller: Some(_) })) => {
                Some(Self::Release(Release { names, tag, expire, value: None, caller: None }))
            }
            Request::End(End::Fail(&Fail { names, tag, .. })) => Some(Self::Abandon(Abandon { names, tag })),
            _ => None,
        }
    }

    fn request(&self) -> Request<'_> {
        Request::End(match self {
            Self::Release(release) => End::Release(release),
            Self::Abandon(abandon) => End::Abandon(abandon),
        })
    }
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
        Door::Thread => node.redis.answer(request, track && !asking, asking).await,
        Door::Task => node.redis.answer_here(request, asking).await,
    }
}

impl Cluster {
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
                Err(failure) if failure.outage && self.in_time(&trip).is_ok() => {
                    // Its replica may have taken over.
                    let _ = self.look_again(door).await;
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

    /// [`go`](Self::go), blocking the calling thread.
    pub(super) fn go_blocking(&self, request: Request<'_>, names: &Names) -> Result<Answer> {
        let mut trip = Trip::new(names.hash_slot, self.owner_blocking(names.hash_slot)?);
        loop {
            let node = Arc::clone(&trip.node);
            let sent = match next(request, &node.redis.server.clock) {
                Next::Same => node.redis.answer_blocking(request, trip.asking),
                Next::Converted(acquire) => {
                    node.redis.answer_blocking(Request::Acquire(&acquire), trip.asking)
                }
                Next::Time => match node.redis.answer_blocking(Request::Time(names), false) {
                    Ok(_) => {
                        self.in_time(&trip)?;
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
            };
            match sent {
                Ok(answer) => return Ok(trip.answered(answer)),
                Err(failure) if failure.outage && self.in_time(&trip).is_ok() => {
                    let _ = self.look_again_blocking();
                    self.replace(&mut trip, failure)?;
                }
                Err(failure) => {
                    if let Some(with_one_key) = trip.instead(request, &failure) {
                        return Ok(trip.answered(self.go_blocking(with_one_key.request(), names)?));
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
        let Some(address) = Address::parse(text, &trip.node.address) else {
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

    /// Ends a trip that goes on for too long: a request must not arrive after it was given up.
    fn in_time(&self, trip: &Trip) -> Result<()> {
        if trip.redirects <= REDIRECTS && Tick::now() - trip.started < self.limits.response_timeout {
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

    fn owner_blocking(&self, slot: u16) -> Result<Arc<Node>> {
        if let Some(node) = self.map.nodes.owner(slot) {
            return Ok(node);
        }
        self.known_blocking()?;
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
        if self.map.nodes.are_known() { Ok(()) } else { self.look_again(door).await }
    }

    pub(super) fn known_blocking(&self) -> Result<()> {
        if self.map.nodes.are_known() { Ok(()) } else { self.look_again_blocking() }
    }

    /// Asks for the slots.
    async fn look_again(&self, door: Door) -> Result<()> {
        if door == Door::Thread {
            return self.map.load().await;
        }
        let map = Arc::clone(&self.map);
        self.worker.attend(async move { map.load().await }).await
    }

    fn look_again_blocking(&self) -> Result<()> {
        let map = Arc::clone(&self.map);
        self.worker.block_on(async move { map.load().await })
    }
}
