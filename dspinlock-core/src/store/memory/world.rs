//! One memory store with several clients, as processes that share a server have it: for tests, which move its clock and
//! have it fail.

use super::{Memory, Now, Time};
use crate::clock::Tick;
use crate::error::{Error, ErrorKind, Result};
use crate::format::record::State;
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Backend, Request, Sending};
use crate::store::{Clock, Store, Wakeups};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The store, its faults, and its clients.
#[derive(Debug)]
pub(crate) struct World {
    /// The store as a member sees it that has no client.
    memory: Memory,
    /// One for each client: the same entries and time, with the wake-ups and the estimate of the clock that are its own.
    members: Mutex<Vec<Memory>>,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// How many outages there are at present.
    outages: usize,
    /// How many of the next requests fail.
    next: u32,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let memory = Memory::new(Wakeups::default());
        Arc::new(Self { memory, members: Mutex::default(), faults: Mutex::default() })
    }

    /// The store of one more client.
    pub(crate) fn join(self: &Arc<Self>) -> Store {
        let wakeups = Wakeups::default();
        let memory = Memory { clock: Arc::default(), wakeups: wakeups.clone(), ..self.memory.clone() };
        lock(&self.members).push(memory.clone());
        Store::new(Member { world: Arc::clone(self), memory }, wakeups)
    }

    pub(crate) fn time(&self) -> &Time {
        &self.memory.time
    }

    /// Moves the clock. Whoever waits looks again, and no local copy stays, since each has its end on the clock of its process.
    pub(crate) fn advance(&self, by: Duration) {
        self.memory.time.advance(by);
        let sent = Tick::now();
        let now = self.memory.time.at(sent).server;
        for member in self.members() {
            member.clock.learn(Some(now), sent);
            member.wakeups.wake_all();
        }
    }

    /// A copy, since what is notified may drop values of the user's, which is not done under a lock.
    fn members(&self) -> Vec<Memory> {
        lock(&self.members).clone()
    }

    /// Begins an outage. As with a server, connections are lost, and nothing is notified from now on.
    pub(crate) fn begin_outage(&self) {
        lock(&self.faults).outages += 1;
        for member in self.members() {
            member.wakeups.wake_all();
        }
    }

    pub(crate) fn end_outage(&self) {
        lock(&self.faults).outages -= 1;
    }

    pub(crate) fn fail_next(&self, requests: u32) {
        lock(&self.faults).next = requests;
    }

    fn check_reachable(&self) -> Result<()> {
        let mut faults = lock(&self.faults);
        let fails = faults.outages > 0 || faults.next > 0;
        faults.next = faults.next.saturating_sub(1);
        let what = "the store of this sandbox is out of reach, as the test has asked";
        if fails { Err(Error::new(ErrorKind::Backend, what).untouched()) } else { Ok(()) }
    }

    /// Puts a record at a key, as another process would, unless what is there is `BLOCKED`, or `COMPUTED` with `if_free`.
    pub(crate) fn put_record(&self, names: &Names, raw: &str, life: Option<Duration>, if_free: bool) -> bool {
        let Now { tick, .. } = self.memory.time.now();
        let mut entries = lock(&self.memory.entries);
        let blocked = State::Blocked.digit() as u8;
        let found = entries.get(&names.record, tick);
        if found.is_some_and(|found| if_free || found.last() == Some(&blocked)) {
            return false;
        }
        entries.put(&names.record, raw.as_bytes().to_vec(), life, tick);
        let changed = entries.take_changed();
        drop(entries);
        self.notify(&changed);
        true
    }

    /// Removes a record, if it begins with this text.
    pub(crate) fn remove_record(&self, record: &str, text: &str) {
        let Now { tick, .. } = self.memory.time.now();
        let mut entries = lock(&self.memory.entries);
        if entries.get(record, tick).is_some_and(|found| found.starts_with(text.as_bytes())) {
            entries.remove(record);
        }
        let changed = entries.take_changed();
        drop(entries);
        self.notify(&changed);
    }

    fn notify(&self, changed: &[String]) {
        if changed.is_empty() {
            return;
        }
        for member in self.members() {
            for key in changed {
                member.wakeups.wake(key);
            }
        }
    }
}

/// The store as one client sees it.
#[derive(Debug)]
struct Member {
    world: Arc<World>,
    memory: Memory,
}

impl Backend for Member {
    fn send<'a>(&'a self, request: Request<'a>, _: bool) -> Sending<'a, Result<Answer>> {
        Sending::Done(self.send_blocking(request))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        self.world.check_reachable()?;
        let (answer, changed) = self.memory.perform(request);
        self.world.notify(&changed);
        Ok(answer)
    }

    fn clock(&self, names: &Names) -> Arc<Clock> {
        self.memory.clock(names)
    }

    fn patience(&self) -> Duration {
        self.memory.patience()
    }

    fn is_memory(&self) -> bool {
        true
    }
}
