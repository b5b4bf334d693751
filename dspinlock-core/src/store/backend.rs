//! The seam: what a place for records must do. [`Store`](super::Store) adds types, the clock and the wake-ups.

use crate::clock::ServerTime;
use crate::error::Result;
use crate::format::scheme::Names;
use crate::store::clock::Clock;
use crate::store::operations::{
    Abandon, Acquire, Acquired, Excerpt, Fail, Forget, Forgotten, Found, Hit, NotSent, Peek, Ping, Read,
    ReadValue, Refresh, Release, Released, Renew, Seen, Sent, Time,
};
#[cfg(feature = "redis")]
use crate::store::redis::Contacts;
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A place for records. Each request is one atomic operation, and at most one round trip.
///
/// All requests are idempotent by their tags. A backend that loses a reply sends the request once more, and says so in the
/// [`Answer`].
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Sends a request from the library's I/O thread. With `track` the backend also notifies the wake-ups of later changes to
    /// the keys that the request reads, if it can.
    ///
    /// A future that is dropped leaves the backend sound, and the outcome of its request unknown.
    fn send<'a>(&'a self, request: Request<'a>, track: bool) -> Sending<'a, Result<Answer>>;

    /// [`send`](Self::send) from the caller's own task, on whatever executor that is.
    fn send_here<'a>(&'a self, request: Request<'a>) -> Sending<'a, Result<Answer>> {
        self.send(request, false)
    }

    /// Sends a request and blocks the calling thread until the answer.
    fn send_blocking(&self, request: Request<'_>) -> Result<Answer>;

    /// The clock of the server that has these keys at present. It learns from each reply that has the time.
    fn clock(&self, names: &Names) -> Arc<Clock>;

    /// Which server has these keys at present. Renewals for one server go together.
    fn place(&self, _: &Names) -> usize {
        0
    }

    /// The longest time that a request can take, its repeat included.
    fn patience(&self) -> Duration;

    /// Whether the records live in this process and end with it.
    fn is_memory(&self) -> bool {
        false
    }

    /// The servers behind it, for tools that look at them; none where the records live in this process.
    #[cfg(feature = "redis")]
    fn contacts(&self) -> Sending<'_, Result<Contacts>> {
        Sending::Done(Ok(Contacts::default()))
    }

    /// Stores a value that is too large to go with the release of its lock, for that release to move into place.
    fn send_ahead<'a>(&'a self, _: &Names, value: Bytes) -> Sending<'a, Result<Sent, NotSent>> {
        Sending::Done(Ok(Sent::With(value)))
    }

    /// Reads the rest of a value. Its first `header` bytes tell it from every other value; `None` means that another one
    /// stands there by now, or that it has more than `limit` bytes.
    fn read_on<'a>(
        &'a self,
        _: &Names,
        part: Vec<u8>,
        _header: usize,
        _limit: usize,
    ) -> Sending<'a, Result<Option<Vec<u8>>>> {
        Sending::Done(Ok(Some(part)))
    }
}

/// What a backend returns: the result itself, or a future of it. Memory needs no future, and so no allocation.
pub(crate) enum Sending<'a, T> {
    Done(T),
    #[cfg_attr(not(any(feature = "redis", test)), expect(dead_code, reason = "memory never waits"))]
    Waiting(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<T> Sending<'_, T> {
    pub(crate) async fn wait(self) -> T {
        match self {
            Self::Done(result) => result,
            Self::Waiting(future) => future.await,
        }
    }
}

/// One request, as a backend sees it.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    Acquire(&'a Acquire<'a>),
    End(End<'a>),
    Renew(&'a Renew<'a>),
    Look(Look<'a>),
    Forget(&'a Names),
    /// The time of the server that has these keys.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "memory has one clock"))]
    Time(&'a Names),
    /// A sign of life. Not [`Time`](Self::Time): a server that is still loading its data tells the time and grants nothing.
    Ping,
}

#[cfg(feature = "redis")]
impl<'a> Request<'a> {
    /// The keys that it concerns, if they are those of one lock.
    pub(crate) fn names(&self) -> Option<&'a Names> {
        Some(match *self {
            Self::Acquire(&Acquire { names, .. })
            | Self::End(
                End::Release(&Release { names, .. })
                | End::Refresh(&Refresh { release: Release { names, .. }, .. })
                | End::Abandon(&Abandon { names, .. })
                | End::Fail(&Fail { names, .. }),
            )
            | Self::Look(
                Look::Read(names) | Look::Peek(names) | Look::Value(names) | Look::Hit(&Hit { names, .. }),
            )
            | Self::Forget(names)
            | Self::Time(names) => names,
            Self::Renew(_) | Self::Ping => return None,
        })
    }
}

/// The ways to end a turn.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    Release(&'a Release<'a>),
    Refresh(&'a Refresh<'a>),
    Abandon(&'a Abandon<'a>),
    Fail(&'a Fail<'a>),
}

/// The ways to look at a lock without changing it.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    Read(&'a Names),
    Peek(&'a Names),
    Hit(&'a Hit<'a>),
    Value(&'a Names),
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// The backend will notify of changes to the keys that the request read.
    pub(crate) tracked: bool,
    /// The request was sent twice, since the first reply was lost. The first request may still be on its way.
    pub(crate) repeated: bool,
}

impl Answer {
    /// The reply, with the doubt that a repeat adds to it.
    pub(crate) fn settled(self) -> Reply {
        match self.reply {
            Reply::Acquired(reply) if self.repeated => Reply::Acquired(Acquired::Repeated(Box::new(reply))),
            Reply::Released(Released::Gone) if self.repeated => Reply::Released(Released::Unknown),
            reply => reply,
        }
    }
}

/// The reply to each kind of request.
#[derive(Debug)]
pub(crate) enum Reply {
    Acquired(Acquired),
    /// To `Release` and `Refresh`.
    Released(Released),
    /// To `Abandon` and `Fail`: whether the lock was held by the tag.
    Abandoned(bool),
    /// Whether each lock was renewed; `None` where nobody knows.
    Renewed(Vec<Option<bool>>),
    /// To `Read`, and with the value to `Peek`.
    Found(Found, Option<Excerpt>),
    Seen(Seen),
    Value(Option<Excerpt>),
    Forgotten(Forgotten),
    Time(ServerTime),
    Alive,
}

impl Reply {
    /// The server's time, in replies that have it.
    pub(crate) fn now(&self) -> Option<ServerTime> {
        match self {
            Self::Acquired(reply) => reply.now(),
            Self::Time(now) => Some(*now),
            _ => None,
        }
    }
}

/// A request whose reply has a type of its own.
pub(crate) trait Operation: Sync {
    type Reply: Send;

    fn request(&self) -> Request<'_>;

    /// `None` for a reply to another kind of request.
    fn reply(reply: Reply) -> Option<Self::Reply>;
}

macro_rules! operations {
    ($($operation:ty, $to:ty: |$this:ident| $request:expr, $reply:pat => $typed:expr;)*) => {
        $(impl Operation for $operation {
            type Reply = $to;

            fn request(&self) -> Request<'_> {
                let $this = self;
                $request
            }

            fn reply(reply: Reply) -> Option<$to> {
                match reply {
                    $reply => Some($typed),
                    _ => None,
                }
            }
        })*
    };
}

operations! {
    Acquire<'_>, Acquired: |acquire| Request::Acquire(acquire), Reply::Acquired(reply) => reply;
    Release<'_>, Released: |release| Request::End(End::Release(release)), Reply::Released(reply) => reply;
    Refresh<'_>, Released: |refresh| Request::End(End::Refresh(refresh)), Reply::Released(reply) => reply;
    Abandon<'_>, bool: |abandon| Request::End(End::Abandon(abandon)), Reply::Abandoned(held) => held;
    Fail<'_>, bool: |fail| Request::End(End::Fail(fail)), Reply::Abandoned(held) => held;
    Renew<'_>, Vec<Option<bool>>: |renew| Request::Renew(renew), Reply::Renewed(held) => held;
    Read<'_>, Found: |read| Request::Look(Look::Read(read.0)), Reply::Found(found, _) => found;
    Peek<'_>, (Found, Option<Excerpt>):
        |peek| Request::Look(Look::Peek(peek.0)), Reply::Found(found, value) => (found, value);
    Hit<'_>, Seen: |hit| Request::Look(Look::Hit(hit)), Reply::Seen(seen) => seen;
    ReadValue<'_>, Option<Excerpt>: |read| Request::Look(Look::Value(read.0)), Reply::Value(value) => value;
    Forget<'_>, Forgotten: |forget| Request::Forget(forget.0), Reply::Forgotten(reply) => reply;
    Time<'_>, ServerTime: |time| Request::Time(time.0), Reply::Time(now) => now;
    Ping, (): |_this| Request::Ping, Reply::Alive => ();
}
