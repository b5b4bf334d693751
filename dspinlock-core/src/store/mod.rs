//! The atomic operations on a lock's keys, and the stores that do them: each operation in one round trip.

mod copies;
mod hints;
pub(crate) mod memory;
mod operations;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod wakeups;

use crate::clock::{ServerClock, ServerTime, Tick};
use crate::error::{Error, Result};
use crate::format::envelope::Label;
use crate::format::scheme::Names;
use crate::worker::check_process;
use bytes::Bytes;
use std::time::Duration;

pub(crate) use copies::LocalCopy;
use hints::Hints;
use memory::Memory;
pub(crate) use operations::{
    Abandon, Acquire, Acquired, Excerpt, Fail, Fetch, Forget, Forgotten, Found, Hit, NotSent, Peek, Ping,
    Read, ReadValue, Refresh, Release, Released, Renew, RenewOne, Replace, Seen, Sent, Time,
};
#[cfg(feature = "redis")]
pub(crate) use operations::{HEAD, WINDOW};
pub(crate) use wakeups::{Listener, Wakeups};

/// An operation that every store can do.
#[cfg(feature = "redis")]
pub(crate) trait Operation:
    memory::Apply + redis::Wire<Reply = <Self as memory::Apply>::Reply>
{
}
#[cfg(feature = "redis")]
impl<O: memory::Apply + redis::Wire<Reply = <O as memory::Apply>::Reply>> Operation for O {}

/// An operation that every store can do.
#[cfg(not(feature = "redis"))]
pub(crate) trait Operation: memory::Apply {}
#[cfg(not(feature = "redis"))]
impl<O: memory::Apply> Operation for O {}

pub(crate) type Reply<O> = <O as memory::Apply>::Reply;

/// Whether the store will notify this caller of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// The store can't: look again after `sleep` at the latest.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "the memory store always notifies")
    )]
    Never,
    /// The caller has not asked for it.
    NotAsked,
    /// The caller has asked, and will be notified.
    OnChange,
}

/// Where the records stand, and the estimate of that place's clock.
#[derive(Debug)]
pub(crate) struct Store {
    place: Place,
    clock: ServerClock,
    /// Held by the one who asks for the time the first time; the last failure to learn it, and when it was known.
    asking: tokio::sync::Mutex<Option<(Tick, Error)>>,
    wakeups: Wakeups,
    hints: Hints,
    /// The process that made it.
    process: u32,
}

#[derive(Debug)]
enum Place {
    Memory(Memory),
    #[cfg(feature = "redis")]
    Redis(redis::Redis),
}

impl Store {
    pub(crate) fn memory() -> Self {
        let wakeups = Wakeups::default();
        Self::at(Place::Memory(Memory::new(wakeups.clone())), wakeups)
    }

    #[cfg(feature = "redis")]
    pub(crate) fn redis(redis: redis::Redis) -> Self {
        let wakeups = redis.wakeups();
        Self::at(Place::Redis(redis), wakeups)
    }

    fn at(place: Place, wakeups: Wakeups) -> Self {
        let (clock, asking) = (ServerClock::new(), tokio::sync::Mutex::default());
        Self { place, clock, asking, wakeups, hints: Hints::default(), process: std::process::id() }
    }

    /// Puts any text at a key of the embedded store, as a stranger would; `false` if this is another.
    #[cfg(test)]
    pub(crate) fn put(&self, key: &str, value: &[u8], life: Option<Duration>) -> bool {
        match &self.place {
            Place::Memory(memory) => memory.put(key, value, life),
            #[cfg(feature = "redis")]
            Place::Redis(_) => return false,
        }
        true
    }

    /// Whether this is the embedded store of this process.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// Does `operation`, awaiting the reply. Call it on the library's I/O thread.
    ///
    /// Dropped at any point it leaves the connection sound, but not the outcome known.
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "the memory store never waits"))]
    pub(crate) async fn call<O: Operation>(&self, operation: &O) -> Result<Reply<O>> {
        match &self.place {
            Place::Memory(memory) => Ok(memory.call(operation)),
            #[cfg(feature = "redis")]
            Place::Redis(redis) => redis.call(operation).await,
        }
    }

    /// Does `operation`, and has the store tell of later changes to the keys that it reads, if it can.
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "the memory store never waits"))]
    pub(crate) async fn call_tracked<O: Operation>(&self, operation: &O) -> (Result<Reply<O>>, Notify) {
        match &self.place {
            Place::Memory(memory) => (Ok(memory.call(operation)), Notify::OnChange),
            #[cfg(feature = "redis")]
            Place::Redis(redis) => match redis.call_tracked(operation).await {
                (reply, true) => (reply, Notify::OnChange),
                (reply, false) => (reply, Notify::Never),
            },
        }
    }

    /// All of a value of which `part` is the beginning; `None` if it has gone meanwhile. What the label, or the record where
    /// one is given, does not fit is not read on.
    pub(crate) async fn complete(
        &self,
        names: &Names,
        label: &Label,
        (part, record): (Excerpt, Option<&[u8]>),
        max_value: usize,
    ) -> Result<Option<Excerpt>> {
        if part.whole {
            return Ok(Some(part));
        }
        let Ok(header) = label.header(&part.bytes, record.map(|record| (record, &*names.separator))) else {
            return Ok(Some(part));
        };
        let limit = header.length.saturating_add(max_value);
        Ok(self.read_on(names, part, header.length, limit).await?.map(Excerpt::whole))
    }

    /// Reads on from `part`, the beginning of a value whose first `header` bytes say what it is. `None` if another stands
    /// there by now, or it has more than `limit` bytes.
    ///
    /// Takes the time that it takes, and none from those who want a lock: in pieces, over a connection of its own, two values at
    /// a time.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, clippy::unused_async, reason = "the memory store gives a value as a whole")
    )]
    pub(crate) async fn read_on(
        &self,
        names: &Names,
        part: Excerpt,
        header: usize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>> {
        match &self.place {
            #[cfg(feature = "redis")]
            Place::Redis(redis) if !part.whole => {
                redis.read_on(names.value(), part.bytes, header, limit).await
            }
            _ => Ok(Some(part.bytes)),
        }
    }

    /// Sends a value ahead that is too large to go with the release of its lock, in the way of [`read_on`](Self::read_on).
    ///
    /// # Errors
    ///
    /// Why the server does not have it. What is left of it is forgotten within a minute.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, clippy::unused_async, reason = "the memory store takes a value as a whole")
    )]
    pub(crate) async fn send_ahead(&self, names: &Names, value: Bytes) -> Result<Sent, NotSent> {
        match &self.place {
            #[cfg(feature = "redis")]
            Place::Redis(redis) if value.len() > operations::SMALL => {
                let length = value.len().to_string();
                let key = redis.send_ahead(names.ahead(), value).await?;
                Ok(Sent::Ahead { key, length })
            }
            _ => Ok(Sent::With(value)),
        }
    }

    /// Where values were seen.
    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// What hears of changes.
    pub(crate) fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    /// Does `operation`, blocking the calling thread until the reply.
    pub(crate) fn call_blocking<O: Operation>(&self, operation: &O) -> Result<Reply<O>> {
        check_process(self.process)?;
        match &self.place {
            Place::Memory(memory) => Ok(memory.call(operation)),
            #[cfg(feature = "redis")]
            Place::Redis(redis) => redis.call_blocking(operation),
        }
    }

    /// How long one call can take at the most, with its repeat on a new connection.
    pub(crate) fn patience(&self) -> Duration {
        match &self.place {
            Place::Memory(_) => Duration::from_secs(1),
            #[cfg(feature = "redis")]
            Place::Redis(redis) => redis.patience(),
        }
    }

    /// What the server's clock shows now. Asks the server the first time only, and once for all who want to know.
    pub(crate) async fn now(&self) -> Result<ServerTime> {
        let wanted = Tick::now();
        if let Some(now) = self.clock.at(wanted) {
            return Ok(now);
        }
        let mut failure = self.asking.lock().await;
        // Who waited here while another one asked in vain doesn't ask again: one by one, the last would wait for ever.
        if let Some((_, error)) = failure.as_ref().filter(|(known, _)| wanted <= *known) {
            return Err(error.again());
        }
        let sent = Tick::now();
        if let Some(now) = self.clock.at(sent) {
            return Ok(now);
        }
        match self.call(&Time).await {
            Ok(now) => Ok(self.learn(now, sent)),
            Err(error) => {
                *failure = Some((Tick::now(), error.again()));
                Err(error)
            }
        }
    }

    /// What the server's clock shows at `tick`, as far as it is known.
    pub(crate) fn estimate(&self, tick: Tick) -> Option<ServerTime> {
        self.clock.at(tick)
    }

    /// What the server's clock shows at `tick` at the least, as far as it is known.
    pub(crate) fn at_least(&self, tick: Tick) -> Option<ServerTime> {
        self.clock.at_least(tick)
    }

    /// Takes in the time that a reply told, to a request sent at `sent`.
    pub(crate) fn learn(&self, server: ServerTime, sent: Tick) -> ServerTime {
        self.clock.learn(server, sent, Tick::now());
        server
    }
}
