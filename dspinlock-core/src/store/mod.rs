//! The atomic operations on a lock's keys, and the backends that do them, each in one round trip.
//!
//! Callers send an operation with [`Store::call`] and get its typed reply. A [`Backend`] sees a
//! [`Request`](backend::Request) and returns an [`Answer`]: [memory](memory) does so under a mutex, Redis by scripts.

pub(crate) mod backend;
mod clock;
mod copies;
mod hints;
mod last_failure;
pub(crate) mod memory;
#[cfg_attr(
    not(feature = "redis"),
    expect(
        dead_code,
        reason = "some parts of requests and replies concern only a store that processes share"
    )
)]
mod operations;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod wakeups;

use crate::clock::{ServerTime, Tick};
use crate::error::{Error, ErrorKind, Result};
use crate::format::envelope::{Header, Label};
use crate::format::scheme::Names;
use crate::worker::check_process;
use backend::{Answer, Backend, Operation};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use clock::Clock;
pub(crate) use copies::LocalCopy;
pub(crate) use hints::Hint;
use hints::Hints;
use memory::Memory;
pub(crate) use memory::World;
pub(crate) use operations::{
    Abandon, Acquire, Acquired, Excerpt, Extent, Fail, Fetch, Forget, Forgotten, Found, Hit, NotSent, Peek,
    Ping, Read, ReadValue, Refresh, Release, Released, Renew, RenewOne, Replace, Seen, Sent, Time,
};
pub(crate) use wakeups::{Listener, Wakeups};

/// Whether the store will notify this caller of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// The store can't: look again after `sleep` at the latest.
    Never,
    /// The caller has not asked for it.
    NotAsked,
    /// The caller has asked, and will be notified.
    OnChange,
}

/// A backend with typed operations, and the wake-ups of this process.
#[derive(Debug)]
pub(crate) struct Store {
    backend: Box<dyn Backend>,
    wakeups: Wakeups,
    hints: Hints,
    /// The process that made it.
    process: u32,
}

impl Store {
    /// `wakeups` are those that the backend notifies.
    pub(crate) fn new(backend: impl Backend + 'static, wakeups: Wakeups) -> Self {
        Self { backend: Box::new(backend), wakeups, hints: Hints::default(), process: std::process::id() }
    }

    pub(crate) fn memory() -> Self {
        let wakeups = Wakeups::default();
        Self::new(Memory::new(wakeups.clone()), wakeups)
    }

    #[cfg(test)]
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Whether the records live in this process and end with it.
    pub(crate) fn is_memory(&self) -> bool {
        self.backend.is_memory()
    }

    /// Does `operation`. Call it on the library's I/O thread.
    ///
    /// A future that is dropped leaves the backend sound, and the outcome of the operation unknown.
    pub(crate) async fn call<O: Operation>(&self, operation: &O) -> Result<O::Reply> {
        typed::<O>(self.backend.send(operation.request(), false).wait().await?)
    }

    /// Does `operation`, and has the backend notify of later changes to the keys that it reads, if it can.
    pub(crate) async fn call_tracked<O: Operation>(&self, operation: &O) -> (Result<O::Reply>, Notify) {
        match self.backend.send(operation.request(), true).wait().await {
            Ok(answer) => {
                let notify = if answer.tracked { Notify::OnChange } else { Notify::Never };
                (typed::<O>(answer), notify)
            }
            Err(error) => (Err(error), Notify::Never),
        }
    }

    /// Does `operation` in the caller's own task, on whatever executor that is.
    ///
    /// A future that is dropped leaves the backend sound, and the outcome of the operation unknown.
    pub(crate) async fn call_here<O: Operation>(&self, operation: &O) -> Result<O::Reply> {
        check_process(self.process)?;
        typed::<O>(self.backend.send_here(operation.request()).wait().await?)
    }

    /// Does `operation`, blocking the calling thread until the reply.
    pub(crate) fn call_blocking<O: Operation>(&self, operation: &O) -> Result<O::Reply> {
        check_process(self.process)?;
        typed::<O>(self.backend.send_blocking(operation.request())?)
    }

    /// All of a value of which `part` is the beginning, or `None` if it has gone meanwhile or is too long. A part that does not
    /// fit the label and the record is returned as it is.
    pub(crate) async fn complete(
        &self,
        names: &Names,
        label: &Label,
        (part, record): (Excerpt, &[u8]),
        max_value: usize,
    ) -> Result<Option<Excerpt>> {
        let Ok(header) = label.header(&part.bytes, Some((record, &names.separator))) else {
            return Ok(Some(part));
        };
        Ok(self.read_on(names, part, &header, max_value).await?.map(Excerpt::whole))
    }

    /// All of a value of which `part` is the beginning, with this header; `None` if another one stands there by now, or it has
    /// more than `max_value` bytes.
    pub(crate) async fn read_on(
        &self,
        names: &Names,
        part: Excerpt,
        header: &Header,
        max_value: usize,
    ) -> Result<Option<Vec<u8>>> {
        let limit = header.length.saturating_add(max_value);
        if part.whole {
            return Ok(Some(part.bytes).filter(|bytes| bytes.len() <= limit));
        }
        self.backend.read_on(names, part.bytes, header.length, limit).wait().await
    }

    /// Sends a value ahead of the release of its lock, if it is too large to go with it.
    ///
    /// # Errors
    ///
    /// The reason why the server does not have the value. Its parts there expire within a minute.
    pub(crate) async fn send_ahead(&self, names: &Names, value: Bytes) -> Result<Sent, NotSent> {
        self.backend.send_ahead(names, value).wait().await
    }

    /// The process that made it. Others can't use it.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// The records that were seen with a value.
    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The listeners for changes.
    pub(crate) fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    /// The servers behind it, for tools that look at them. Call it on the library's I/O thread.
    #[cfg(feature = "redis")]
    pub(crate) async fn contacts(&self) -> Result<redis::Contacts> {
        self.backend.contacts().wait().await
    }

    /// The longest time that one call can take, with its repeat on a new connection.
    pub(crate) fn patience(&self) -> Duration {
        self.backend.patience()
    }

    /// The clock of the server that has these keys at present.
    pub(crate) fn clock(&self, names: &Names) -> Arc<Clock> {
        self.backend.clock(names)
    }

    /// Which server has these keys at present.
    pub(crate) fn place(&self, names: &Names) -> usize {
        self.backend.place(names)
    }

    /// The time of the server that has these keys. Only the first call asks it, once for all callers.
    pub(crate) async fn now(&self, names: &Names) -> Result<ServerTime> {
        let asked = Tick::now();
        let clock = self.clock(names);
        if let Some(now) = clock.at(asked) {
            return Ok(now);
        }
        let mut failure = clock.asking.lock().await;
        if let Some(error) = failure.since(asked) {
            return Err(error.again());
        }
        // Another caller has asked meanwhile, or has found out which server it is.
        if let Some(now) = self.clock(names).at(Tick::now()) {
            return Ok(now);
        }
        self.call(&Time(names)).await.inspect_err(|error| failure.note(error.again()))
    }

    /// The moment at which that server's clock shows this time; now if that has passed, `None` if its clock is not known.
    pub(crate) fn tick_at(&self, names: &Names, server: ServerTime) -> Option<Tick> {
        let now = Tick::now();
        Some(now + self.clock(names).at(now)?.until(server))
    }
}

fn typed<O: Operation>(answer: Answer) -> Result<O::Reply> {
    O::reply(answer.settled())
        .ok_or_else(|| Error::new(ErrorKind::Backend, "the store replied to another kind of request"))
}
