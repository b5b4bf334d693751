//! The memory store: the same operations under a mutex, for tests and for a process on its own.

mod acquire;
mod entries;
mod operations;
mod time;
mod world;

use crate::clock::Tick;
use crate::error::Result;
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Backend, Request, Sending};
use crate::store::{Clock, Wakeups};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use entries::Entries;
pub(crate) use time::{Now, Time};
pub(crate) use world::World;

/// Its clones share what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    entries: Arc<Mutex<Entries>>,
    time: Time,
    clock: Arc<Clock>,
    wakeups: Wakeups,
}

impl Memory {
    /// Changes are notified to `wakeups`.
    pub(crate) fn new(wakeups: Wakeups) -> Self {
        Self { entries: Arc::default(), time: Time::default(), clock: Arc::default(), wakeups }
    }

    fn answer(&self, request: Request<'_>) -> Answer {
        let (answer, changed) = self.perform(request);
        for key in changed {
            self.wakeups.wake(&key);
        }
        answer
    }

    /// Answers, and returns the keys that have changed, of which nobody was notified yet.
    fn perform(&self, request: Request<'_>) -> (Answer, Vec<String>) {
        let mut entries = lock(&self.entries);
        let sent = Tick::now();
        let reply = entries.reply(request, self.time.at(sent));
        let changed = entries.take_changed();
        drop(entries);
        self.clock.learn(reply.now(), sent);
        (Answer { reply, tracked: true, repeated: false }, changed)
    }

    /// Puts any text at a key, as a stranger would.
    #[cfg(test)]
    pub(crate) fn put(&self, key: &str, value: &[u8], life: Option<Duration>) {
        lock(&self.entries).put(key, value.to_vec(), life, self.time.now().tick);
    }
}

impl Backend for Memory {
    fn send<'a>(&'a self, request: Request<'a>, _: bool) -> Sending<'a, Result<Answer>> {
        Sending::Done(self.send_blocking(request))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        Ok(self.answer(request))
    }

    fn clock(&self, _: &Names) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_memory(&self) -> bool {
        true
    }
}
