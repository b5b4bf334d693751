//! The operations: what each asks for, and what its reply may say.

use crate::clock::ServerTime;
use crate::format::record::Tag;
use crate::format::scheme::Names;
use crate::options::Replicas;
use bytes::Bytes;
use std::time::Duration;

/// A record that may be replaced if it is still there, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replace {
    pub(crate) seen: Vec<u8>,
    /// Only if it expires within this time.
    pub(crate) life_at_most: Option<Duration>,
}

/// Takes a key that is free, is COMPUTED where `relock` says so, or holds what `replace` names (a *steal*).
///
/// Idempotent: a repeat by the same tag is granted again with the same fence.
pub(crate) struct Acquire<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) lease: Duration,
    pub(crate) fence_life: Duration,
    /// The server refuses the request later than this, so that one delayed on the way can't outlive its compensation.
    pub(crate) not_after: ServerTime,
    pub(crate) relock: bool,
    pub(crate) replace: Option<&'a Replace>,
    /// How many fencing tokens to reserve after the one that is granted.
    pub(crate) reserve: u32,
    /// The name of this process, to be left with those who wait if the key is held.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "the memory store has but one process"))]
    pub(crate) waiting: Option<&'a str>,
    /// Where the caller wants what was computed, and not only the lock.
    pub(crate) fetch: Option<Fetch<'a>>,
    /// Who else has to have the grant before it counts.
    pub(crate) replicas: Option<Replicas>,
}

/// What a caller that wants a value adds to [`Acquire`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetch<'a> {
    /// The BLOCKED record it has waited for: if that turn has failed, its failure is the answer.
    pub(crate) waited_for: Option<&'a [u8]>,
    /// The [mark](crate::format::envelope::Label::mark) of the value: the failure of another's is no answer.
    pub(crate) mark: &'a str,
    /// When COMPUTED has no longer to live than this, the first caller that sees it computes the next value.
    pub(crate) refresh_ahead: Option<Duration>,
}

/// How many bytes of a value come with the record in the reply to [`Acquire`] and [`Peek`]: enough to know it, and too few
/// for any number of callers to hold up a lock.
#[cfg(feature = "redis")]
pub(crate) const HEAD: usize = 4 << 10;

/// How many bytes a value may have that goes with the release of its lock.
#[cfg(feature = "redis")]
pub(super) const SMALL: usize = 16 << 10;

/// How many bytes of a value a plain read asks for first.
#[cfg(feature = "redis")]
pub(crate) const WINDOW: usize = 64 << 10;

/// The beginning of a value, or all of it. An empty value is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Excerpt {
    pub(crate) bytes: Vec<u8>,
    pub(crate) whole: bool,
}

impl Excerpt {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, whole: true }
    }

    /// What came where one byte more than `limit` was asked for.
    #[cfg(feature = "redis")]
    pub(crate) fn up_to(limit: usize, bytes: Vec<u8>) -> Self {
        Self { whole: bytes.len() <= limit, bytes }
    }
}

/// The reply to [`Acquire`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Acquired {
    /// BLOCKED by the tag.
    Granted { fence: u64, now: ServerTime },
    /// Something else stands there.
    Held { raw: Vec<u8>, remaining: Option<Duration>, now: ServerTime, value: Option<Excerpt> },
    /// COMPUTED and soon to expire: the caller has the mark of the one who is to compute anew, BLOCKED by its tag at
    /// the key `:refresh`.
    Refresh { fence: u64, raw: Vec<u8>, now: ServerTime, value: Option<Excerpt> },
    /// The turn that the caller waited for has failed, or one has a moment ago that turns callers away: its note.
    Failed { note: Vec<u8>, now: ServerTime },
    /// Granted, but by no more than so many replicas confirmed: it is to be given back.
    Unconfirmed { by: u64, now: ServerTime },
    /// The request came after its `not_after`. Nothing was changed.
    Late { now: ServerTime },
    /// The tag's own COMPUTED record stands there: its turn is over, and is never taken again.
    Spent,
    /// The key holds a value of another Redis type.
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "the memory store has but one type of value")
    )]
    WrongType(String),
    /// No token stands at the fence's key, but something of this Redis type. Nothing was changed.
    StrangeFence(String),
    /// This, to a request that was sent twice: the first one may still be on its way, and be granted when it arrives.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "the memory store never repeats a request")
    )]
    Repeated(Box<Acquired>),
}

impl Acquired {
    /// The reply itself, and whether the request was sent twice.
    pub(crate) fn unwrap_repeated(self) -> (Self, bool) {
        match self {
            Self::Repeated(reply) => (*reply, true),
            reply => (reply, false),
        }
    }

    /// The record and the beginning of its value, where the reply has room for that.
    pub(crate) fn value(&mut self) -> Option<(&[u8], &mut Option<Excerpt>)> {
        match self {
            Self::Held { raw, value, .. } | Self::Refresh { raw, value, .. } => Some((raw, value)),
            Self::Repeated(reply) => reply.value(),
            _ => None,
        }
    }

    /// The server's time, where the reply tells it.
    pub(crate) fn now(&self) -> Option<ServerTime> {
        match self {
            Self::Granted { now, .. }
            | Self::Held { now, .. }
            | Self::Refresh { now, .. }
            | Self::Failed { now, .. }
            | Self::Unconfirmed { now, .. }
            | Self::Late { now } => Some(*now),
            Self::Repeated(reply) => reply.now(),
            Self::Spent | Self::WrongType(_) | Self::StrangeFence(_) => None,
        }
    }
}

/// Turns BLOCKED by `tag` into COMPUTED for `expire`, or removes it.
pub(crate) struct Release<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) expire: Option<Duration>,
    pub(crate) fence_life: Duration,
    /// The name of this process: others who wait are told of.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "the memory store has but one process"))]
    pub(crate) caller: &'a str,
    /// The value to store beside COMPUTED, and how long to keep it.
    pub(crate) value: Option<(&'a Sent, Duration)>,
}

/// A value on its way to its key.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// It goes with the release itself.
    With(Bytes),
    /// It stands at this key, from where the release moves it.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "the memory store takes a value of any size")
    )]
    Ahead {
        key: String,
        /// In decimal: what stands there may have become shorter meanwhile.
        length: String,
    },
}

/// Why a value could not be sent ahead.
#[derive(Debug)]
pub(crate) struct NotSent {
    pub(crate) why: String,
    /// Whether the server has refused it, as it likely will the next one; else it was the connection.
    pub(crate) lasts: bool,
}

/// Turns COMPUTED, if it is still exactly what was seen, into COMPUTED by `tag` with a new value, and removes the mark of the one who computed anew.
pub(crate) struct Refresh<'a> {
    pub(crate) release: Release<'a>,
    pub(crate) seen: &'a [u8],
}

/// Removes BLOCKED by `tag` and leaves a note for those who waited; says whether it was there.
pub(crate) struct Fail<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) note: &'a [u8],
    pub(crate) life: Duration,
}

/// Reads a record and the beginning of the value beside it, each plainly: the common case of a caller that wants a value.
///
/// That is not one atomic look, and need not be: a value counts only if it names the turn of the record that was read
/// before it, and what one turn has computed never changes.
pub(crate) struct Hit<'a> {
    pub(crate) names: &'a Names,
    /// Whether to ask for the record's remaining life.
    pub(crate) life: bool,
}

/// The reply to [`Hit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What stands at the record's key, unless it is too long for a record, or no string.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) value: Option<Excerpt>,
    pub(crate) remaining: Option<Duration>,
}

/// Reads the beginning of the value alone, whatever its record says.
pub(crate) struct ReadValue<'a>(pub(crate) &'a Names);

/// The reply to [`Release`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    Done {
        /// How many other processes than the caller's have waited.
        others: u64,
    },
    /// The tag's own COMPUTED record stands there already.
    AlreadyComputed,
    /// Nothing is there: the lease ran out, or somebody removed the key.
    Gone,
    /// Nothing is there, but the request was sent twice, and the first may have removed the record.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "the memory store never repeats a request")
    )]
    Unknown,
    /// Something else stands there.
    Held(Vec<u8>),
    /// The server did not take the value, for this reason, and nothing is COMPUTED by this turn. The lock is given back.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "the memory store takes every value"))]
    Refused(String),
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "the memory store has but one type of value")
    )]
    WrongType(String),
}

/// Removes BLOCKED by `tag`; says whether it was there.
pub(crate) struct Abandon<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
}

/// Extends those that are still BLOCKED by their tags; says for each whether it was.
pub(crate) struct Renew<'a>(pub(crate) Vec<RenewOne<'a>>);

/// One lock of a [`Renew`].
pub(crate) struct RenewOne<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) life: Duration,
    pub(crate) fence_life: Duration,
}

/// Looks at a key.
pub(crate) struct Read<'a>(pub(crate) &'a Names);

/// Looks at a key and, where it is COMPUTED, at the beginning of its value.
pub(crate) struct Peek<'a>(pub(crate) &'a Names);

/// The reply to [`Read`], and the first part of the one to [`Peek`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Free,
    Held {
        raw: Vec<u8>,
        remaining: Option<Duration>,
        fence: Option<u64>,
    },
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "the memory store has but one type of value")
    )]
    WrongType(String),
}

/// Removes a record and its value, whoever holds it.
pub(crate) struct Forget<'a>(pub(crate) &'a Names);

/// The reply to [`Forget`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// Whether there was a record.
    Done(bool),
    Foreign(Vec<u8>),
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "the memory store has but one type of value")
    )]
    WrongType(String),
}

/// Asks for the server's time.
pub(crate) struct Time;

/// Asks for a sign of life.
pub(crate) struct Ping;
