//! The operations: what each asks for, and what its reply can say.

use crate::clock::ServerTime;
use crate::format::record::Tag;
use crate::format::scheme::Names;
use crate::options::Replicas;
use crate::store::clock::Clock;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A record that may be replaced if it is still there, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replace {
    pub(crate) seen: Vec<u8>,
    /// Only if it expires within this time.
    pub(crate) life_at_most: Option<Duration>,
}

/// Takes a key that is free, is COMPUTED where `relock` is set, or holds what `replace` names (a *steal*).
///
/// A repeat by the same tag is granted again, with a higher fencing token: nobody has heard of the first one.
#[derive(Clone, Copy)]
pub(crate) struct Acquire<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) lease: Duration,
    /// The server refuses the request after this moment, so that a delayed request can't outlive its compensation.
    pub(crate) not_after: ServerTime,
    /// The clock on which `not_after` is read, where that is not sure to be the clock of the server that is asked.
    pub(crate) clock: Option<&'a Arc<Clock>>,
    pub(crate) relock: bool,
    pub(crate) replace: Option<&'a Replace>,
    /// How many fencing tokens to reserve after the one that is granted.
    pub(crate) reserve: u32,
    /// The name of this process, to be noted as waiting if the key is held.
    pub(crate) waiting: Option<&'a str>,
    /// Set where the caller wants the value, and not only the lock.
    pub(crate) fetch: Option<Fetch<'a>>,
    /// The replicas that must confirm the grant before it counts.
    pub(crate) replicas: Option<Replicas>,
}

/// What a caller that wants a value adds to [`Acquire`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetch<'a> {
    /// The BLOCKED record that the caller has waited for: if that turn failed, its failure is the answer.
    pub(crate) waited_for: Option<&'a [u8]>,
    /// The [line](crate::format::envelope::Label::line) of the label of the value: the failure of another value is no answer.
    pub(crate) label: &'a str,
}

/// The beginning of a value, or all of it. An empty value counts as none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Excerpt {
    pub(crate) bytes: Vec<u8>,
    pub(crate) whole: bool,
}

impl Excerpt {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, whole: true }
    }
}

/// The reply to [`Acquire`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Acquired {
    /// BLOCKED by the tag.
    Granted { fence: u64, now: ServerTime },
    /// The key holds another record.
    Held { raw: Vec<u8>, remaining: Option<Duration>, now: ServerTime, value: Option<Excerpt> },
    /// The turn that the caller waited for has failed, or a recent one whose failure is cached for all callers: its note.
    Failed { note: Vec<u8>, now: ServerTime },
    /// Granted, but confirmed by too few replicas: the caller gives it back.
    Unconfirmed { by: u64, now: ServerTime },
    /// The request came after its `not_after`. Nothing was changed.
    Late { now: ServerTime },
    /// The key is COMPUTED by this very tag: its turn is over, and is never taken again.
    Spent,
    /// The key holds a value of another Redis type.
    WrongType(String),
    /// The fence's key holds a value of this Redis type. Nothing was changed.
    StrangeFence(String),
    /// The reply to a request that was sent twice: the first one may still be on its way, and be granted when it arrives.
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

    /// The record and the beginning of its value, in replies that can have them.
    pub(crate) fn value(&mut self) -> Option<(&[u8], &mut Option<Excerpt>)> {
        match self {
            Self::Held { raw, value, .. } => Some((raw, value)),
            Self::Repeated(reply) => reply.value(),
            _ => None,
        }
    }

    /// The server's time, in replies that have it.
    pub(crate) fn now(&self) -> Option<ServerTime> {
        match self {
            Self::Granted { now, .. }
            | Self::Held { now, .. }
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
    /// The name of this process, which does not count among the others that wait. Without it they are not counted.
    pub(crate) caller: Option<&'a str>,
    /// The value to store beside COMPUTED, and how long to keep it.
    pub(crate) value: Option<(&'a Sent, Duration)>,
}

/// A value on its way to its key.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// It goes with the release itself.
    With(Bytes),
    /// It was stored at this key, with this many bytes, and the release moves it.
    Ahead { key: String, length: usize },
}

/// Why a value could not be sent ahead.
#[derive(Debug)]
pub(crate) struct NotSent {
    pub(crate) why: String,
    /// The server refused it, and is likely to refuse the next one; otherwise the connection failed.
    pub(crate) lasts: bool,
}

/// Turns COMPUTED, if it is still exactly what was seen, into COMPUTED by `tag` with a new value, and removes the mark at
/// `:refresh`.
pub(crate) struct Refresh<'a> {
    pub(crate) release: Release<'a>,
    pub(crate) seen: &'a [u8],
}

/// Removes BLOCKED by `tag` and leaves a note for the waiters. The reply is whether it was there.
pub(crate) struct Fail<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) note: &'a [u8],
    pub(crate) life: Duration,
}

/// Reads a record and its value by plain reads, which take no lock: the common case of a caller that wants a value.
pub(crate) struct Hit<'a> {
    pub(crate) names: &'a Names,
    pub(crate) extent: Extent,
}

/// How much of a value to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, in one atomic read with its record. It is expected to have at most so many bytes.
    Whole(usize),
    /// The beginning of a large one.
    ///
    /// The two reads need not be atomic: a value counts only if it names the turn of the record, which is read first, and
    /// the value of one turn never changes.
    Beginning,
}

/// The reply to [`Hit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The record's key holds this, unless it is empty, too long for a record, or no string.
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) value: Option<Excerpt>,
}

/// Reads the beginning of the value alone, whatever its record says.
pub(crate) struct ReadValue<'a>(pub(crate) &'a Names);

/// The reply to [`Release`] and [`Refresh`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    Done {
        /// How many other processes have waited.
        others: u64,
    },
    /// The key is COMPUTED by this very tag already.
    AlreadyComputed,
    /// The key is free: the lease ran out, or somebody removed the record.
    Gone,
    /// The key is free, but the request was sent twice, and the first one may have removed the record.
    Unknown,
    /// The key holds another record.
    Held(Vec<u8>),
    /// The server refused the value, for this reason. The lock is given back, and the key is not COMPUTED by this turn.
    Refused(String),
    /// The key holds a value of another Redis type.
    WrongType(String),
}

/// Removes BLOCKED by `tag`. The reply is whether it was there.
pub(crate) struct Abandon<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
}

/// Extends the records that are still BLOCKED by their tags. The reply says so of each.
pub(crate) struct Renew<'a>(pub(crate) Vec<RenewOne<'a>>);

/// One lock of a [`Renew`].
#[derive(Clone, Copy)]
pub(crate) struct RenewOne<'a> {
    pub(crate) names: &'a Names,
    pub(crate) tag: &'a Tag,
    pub(crate) life: Duration,
}

/// Looks at a key.
pub(crate) struct Read<'a>(pub(crate) &'a Names);

/// Looks at a key and, where it is COMPUTED, at the beginning of its value.
pub(crate) struct Peek<'a>(pub(crate) &'a Names);

/// The reply to [`Read`], and with a value to [`Peek`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Free,
    Held {
        raw: Vec<u8>,
        remaining: Option<Duration>,
    },
    /// The key holds a value of another Redis type.
    WrongType(String),
}

/// Removes a record and its value, whoever holds it.
pub(crate) struct Forget<'a>(pub(crate) &'a Names);

/// The reply to [`Forget`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// Whether there was a record.
    Done(bool),
    /// The key holds something that is no record. Nothing was changed.
    Foreign(Vec<u8>),
    /// The key holds a value of another Redis type. Nothing was changed.
    WrongType(String),
}

/// Asks for the server's time.
pub(crate) struct Time<'a>(pub(crate) &'a Names);

/// Asks for a sign of life.
pub(crate) struct Ping;
