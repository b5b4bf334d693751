//! What stands at a key, as users may see it.

use crate::clock::ServerTime;
use crate::engine::core::Core;
use crate::engine::spec::{Seen, Spec};
use crate::error::Result;
use crate::format::record::{Record, State, describe};
use crate::store::{Forgotten, Found};
use std::time::{Duration, SystemTime};

/// What a record says, in an [`Inspection`], or in [`Entry::Computed`](crate::Entry::Computed).
///
/// ```
/// use dspinlock::{Client, Entry, State};
///
/// let lock = Client::memory().lock("example").cached_if_computed(true);
/// lock.acquire_blocking()?.release_blocking()?;
/// let Entry::Computed(record) = lock.enter_blocking()? else { panic!("it was computed a moment ago") };
/// assert_eq!(record.state(), State::Computed);
/// assert!(record.holder().contains(&std::process::id().to_string()));
/// assert!(record.since().elapsed().unwrap().as_secs() < 60);
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    state: State,
    holder: String,
    since: ServerTime,
}

impl RecordInfo {
    /// Whether the key is held, or its work done.
    pub fn state(&self) -> State {
        self.state
    }

    /// Who wrote the record: host, process and function, or the id of a Python instance.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// When its turn began, by the server's clock.
    pub fn since(&self) -> SystemTime {
        self.since.to_system_time()
    }
}

impl From<Record> for RecordInfo {
    fn from(record: Record) -> Self {
        Self { state: record.state, holder: record.holder(), since: record.timestamp }
    }
}

/// What [`DSpinlock::inspect`](crate::DSpinlock::inspect) found.
///
/// ```
/// use dspinlock::{Client, State};
///
/// let lock = Client::memory().lock("example");
/// let guard = lock.acquire_blocking()?;
/// let found = lock.inspect_blocking()?.expect("somebody holds it");
/// assert_eq!((found.state(), found.fencing_token()), (State::Blocked, Some(guard.fencing_token())));
/// println!("{} holds it for {:?} unless it is renewed", found.holder(), found.remaining());
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    record: RecordInfo,
    remaining: Option<Duration>,
    fencing_token: Option<u64>,
}

impl Inspection {
    /// What the record says.
    pub fn record(&self) -> &RecordInfo {
        &self.record
    }

    /// Whether the key is held, or its work done.
    pub fn state(&self) -> State {
        self.record.state
    }

    /// Who wrote the record.
    pub fn holder(&self) -> &str {
        &self.record.holder
    }

    /// When its turn began, by the server's clock.
    pub fn since(&self) -> SystemTime {
        self.record.since()
    }

    /// How long the record will live unless it is renewed; `None` if it never expires.
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    /// The highest fencing token given for this key, if any is remembered.
    pub fn fencing_token(&self) -> Option<u64> {
        self.fencing_token
    }
}

/// Reads the reply to a look at a key.
pub(crate) fn inspected(spec: &Spec, reply: Result<Found>) -> Result<Option<Inspection>> {
    Ok(spec.found(reply)?.map(|Seen { record, remaining, fence }| Inspection {
        record: record.into(),
        remaining,
        fencing_token: fence,
    }))
}

/// Reads the reply to a removal.
pub(crate) fn forgotten(core: &Core, spec: &Spec, reply: Result<Forgotten>) -> Result<bool> {
    match reply.map_err(|error| spec.name(error))? {
        Forgotten::Done(was_there) => {
            core.overtake(&spec.names.record);
            Ok(was_there)
        }
        Forgotten::WrongType(kind) => Err(spec.foreign(&format!("a {kind}"))),
        Forgotten::Foreign(raw) => match Record::parse(&raw, &spec.names.separator) {
            Err(why) => Err(spec.foreign(&describe(&raw, &why))),
            // The script's pattern is wider than the parser, so this is a record that has changed in between.
            Ok(_) => Err(spec.foreign("a record of another form")),
        },
    }
}
