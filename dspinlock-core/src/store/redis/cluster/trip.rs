//! One request on its way from node to node, without I/O: what to send next, and what has become of it.

use super::nodes::Node;
use crate::clock::Tick;
use crate::error::Error;
use crate::store::backend::{Answer, End, Request};
use crate::store::redis::refusal::Redirect;
use crate::store::redis::server::Failure;
use crate::store::{Abandon, Acquire, Clock, Fail, Release};
use std::sync::Arc;
use std::time::Duration;

/// A request under way.
pub(super) struct Trip {
    pub(super) slot: u16,
    pub(super) started: Tick,
    pub(super) redirects: u32,
    /// Some node may have done the request although its reply was lost.
    pub(super) repeated: bool,
    pub(super) node: Arc<Node>,
    /// The node does not have the slot yet, and answers this one request.
    pub(super) asking: bool,
}

/// What to send to the node that is asked next.
pub(super) enum Next<'a> {
    Same,
    /// The same, with its time limit by the clock of this node.
    Converted(Acquire<'a>),
    /// First the node's time, since its clock is not known.
    Time,
}

impl Trip {
    pub(super) fn new(slot: u16, node: Arc<Node>) -> Self {
        Self { slot, started: Tick::now(), redirects: 0, repeated: false, node, asking: false }
    }

    pub(super) fn answered(&self, answer: Answer) -> Answer {
        Answer { repeated: answer.repeated | self.repeated, ..answer }
    }

    /// What to send in place of a request whose keys are not on one node at present.
    pub(super) fn instead<'a>(&mut self, request: Request<'a>, failure: &Failure) -> Option<WithOneKey<'a>> {
        self.repeated |= failure.repeated;
        WithOneKey::of(request).filter(|_| failure.redirect == Some(Redirect::TryAgain))
    }

    /// The error at the end of the trip. A node that was asked before may have done the request all the same.
    pub(super) fn failed(&self, error: Error) -> Error {
        if self.repeated { error.again() } else { error }
    }
}

/// A `not_after` is read on the clock of the node for which it was made.
pub(super) fn next<'a>(request: Request<'a>, clock: &'a Arc<Clock>) -> Next<'a> {
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
pub(super) enum WithOneKey<'a> {
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

    pub(super) fn request(&self) -> Request<'_> {
        Request::End(match self {
            Self::Release(release) => End::Release(release),
            Self::Abandon(abandon) => End::Abandon(abandon),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ServerTime;
    use crate::format::key::Key;
    use crate::format::record::Tag;
    use crate::format::scheme::{Names, StandardScheme};

    const S: Duration = Duration::from_secs(1);

    /// A clock that shows this time now.
    fn clock(now: u64) -> Arc<Clock> {
        let clock = Arc::new(Clock::default());
        clock.learn(Some(ServerTime(now)), Tick::now());
        clock
    }

    #[test]
    fn a_time_limit_is_read_on_the_clock_of_the_node_that_is_asked() {
        // Two nodes whose clocks are an hour apart, and one that nobody has asked yet.
        let (there, here, unknown) = (clock(7_200_000_000), clock(3_600_000_000), Arc::default());
        let (names, tag) = (
            Names::derive(&StandardScheme::default(), None, &Key::new(&7)).unwrap(),
            Tag::new("tag@x,2026-01-31T23:59:59.000123+00:00".to_owned(), ","),
        );
        let acquire = |clock| Acquire {
            not_after: ServerTime(7_200_000_000) + 5 * S,
            clock,
            ..crate::checks::conformance::acquire(&names, &tag)
        };
        let made_there = acquire(Some(&there));
        let request = Request::Acquire(&made_there);
        assert!(matches!(next(request, &there), Next::Same));
        assert!(matches!(next(request, &unknown), Next::Time), "that clock is asked for first");
        let Next::Converted(converted) = next(request, &here) else { panic!("it is another clock") };
        let five_later = ServerTime(3_600_000_000) + 5 * S;
        assert!(converted.not_after <= five_later, "never later than the caller believes");
        assert!(converted.not_after.until(five_later) < S, "{:?}", converted.not_after);
        assert!(matches!(next(Request::Acquire(&converted), &here), Next::Same));
        // A clock that is not known any more: the request comes too late, and its caller makes another one.
        there.forget();
        let Next::Converted(late) = next(request, &here) else { panic!("it is another clock") };
        assert!(late.not_after.until(ServerTime(3_600_000_000)) < S && late.not_after < five_later);
        // Anything but an acquire has no limit.
        assert!(matches!(next(Request::Time(&names), &here), Next::Same));
        assert!(matches!(next(Request::Acquire(&acquire(None)), &here), Next::Same));
    }
}
