//! What is at a key, as users see it.

use crate::clock::ServerTime;
use crate::engine::core::Core;
use crate::engine::spec::{Seen, Spec};
use crate::engine::trouble::persist;
use crate::error::Result;
use crate::format::record::{Record, State, describe};
use crate::store::backend::Operation;
use crate::store::{Forget, Forgotten, Found, Read};
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The contents of a record, from an [`Inspection`] or [`Entry::Computed`](crate::Entry::Computed).
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordInfo {
    state: State,
    holder: String,
    since: ServerTime,
}

impl RecordInfo {
    /// Returns whether the key is held or COMPUTED.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the writer of the record: host, process and function, or the id of a Python instance.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Returns when the writer took the lock, by the server's clock.
    pub fn since(&self) -> SystemTime {
        self.since.to_system_time()
    }
}

impl RecordInfo {
    pub(crate) fn of(record: &Record) -> Self {
        Self { state: record.state, holder: record.holder(), since: record.timestamp }
    }
}

/// A look at a key, from [`DSpinlock::inspect`](crate::DSpinlock::inspect) or
/// [`CachedEntry::inspect`](crate::CachedEntry::inspect).
///
/// ```
/// use dspinlock::{Client, State};
///
/// let lock = Client::memory().lock("example");
/// let _guard = lock.acquire_blocking()?;
/// let found = lock.inspect_blocking()?.expect("somebody holds it");
/// assert_eq!(found.state(), State::Blocked);
/// println!("{} holds it for {:?} unless it is renewed", found.holder(), found.remaining());
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inspection {
    record: RecordInfo,
    remaining: Option<Duration>,
}

impl Inspection {
    /// Returns the contents of the record.
    pub fn record(&self) -> &RecordInfo {
        &self.record
    }

    /// Returns whether the key is held or COMPUTED.
    pub fn state(&self) -> State {
        self.record.state
    }

    /// Returns the writer of the record: host, process and function, or the id of a Python instance.
    pub fn holder(&self) -> &str {
        &self.record.holder
    }

    /// Returns when the writer took the lock, by the server's clock.
    pub fn since(&self) -> SystemTime {
        self.record.since()
    }

    /// Returns how long the record lives unless it is renewed; `None` if it never expires.
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining
    }
}

/// A record by its client and its names, to look at and to remove.
#[derive(Clone)]
pub(super) struct RecordRef {
    pub(super) core: Arc<Core>,
    pub(super) spec: Arc<Spec>,
}

impl RecordRef {
    pub(super) async fn inspect(self) -> Result<Option<Inspection>> {
        let worker = self.core.worker.clone();
        worker.attend(async move { self.seen(self.ask(&Read(&self.spec.names)).await) }).await
    }

    pub(super) fn inspect_blocking(&self) -> Result<Option<Inspection>> {
        self.seen(self.ask_blocking(&Read(&self.spec.names)))
    }

    pub(super) async fn forget(self) -> Result<bool> {
        let worker = self.core.worker.clone();
        worker.attend(async move { self.forgotten(self.ask(&Forget(&self.spec.names)).await) }).await
    }

    pub(super) fn forget_blocking(&self) -> Result<bool> {
        self.forgotten(self.ask_blocking(&Forget(&self.spec.names)))
    }

    async fn ask<O: Operation>(&self, operation: &O) -> Result<O::Reply> {
        let Self { core, spec } = self;
        persist(&core.worker, &spec.options, || core.store.call(operation)).await
    }

    fn ask_blocking<O: Operation>(&self, operation: &O) -> Result<O::Reply> {
        let Self { core, spec } = self;
        let ask = || ready(core.store.call_blocking(operation));
        pollster::block_on(persist(&core.worker, &spec.options, ask))
    }

    fn seen(&self, reply: Result<Found>) -> Result<Option<Inspection>> {
        Ok(self
            .spec
            .found(reply)?
            .map(|Seen { record, remaining }| Inspection { record: RecordInfo::of(&record), remaining }))
    }

    fn forgotten(&self, reply: Result<Forgotten>) -> Result<bool> {
        let spec = &self.spec;
        match reply.map_err(|error| spec.name(error))? {
            Forgotten::Done(was_there) => {
                self.core.overtake(&spec.names.record);
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
}
