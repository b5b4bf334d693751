//! The embedded store: the same operations under a mutex, for tests and for a process on its own.

use crate::clock::{ServerTime, Tick};
use crate::format::note::{Parts, parts};
use crate::format::record::{Record, State, Tag};
use crate::format::scheme::Names;
use crate::store::wakeups::Wakeups;
use crate::store::{
    Abandon, Acquire, Acquired, Excerpt, Fail, Fetch, Forget, Forgotten, Found, Hit, Peek, Ping, Read,
    ReadValue, Refresh, Release, Released, Renew, Replace, Seen, Sent, Time,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many entries must be there before a write looks for expired ones; doubled by what it leaves.
const FIRST_SWEEP: usize = 1024;

/// The embedded store.
pub(crate) struct Memory {
    entries: Mutex<Entries>,
    wakeups: Wakeups,
}

/// An operation as the embedded store does it: a pure function of what stands there and of the time.
pub(crate) trait Apply: Sync {
    type Reply: Send;

    fn apply(&self, entries: &mut Entries, now: Now) -> Self::Reply;
}

/// The moment of an operation: on the steady clock, by which entries expire, and on the one that is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) tick: Tick,
    pub(crate) server: ServerTime,
}

impl Now {
    fn of_this_machine() -> Self {
        Self { tick: Tick::now(), server: ServerTime::of_this_machine() }
    }
}

impl Memory {
    pub(crate) fn new(wakeups: Wakeups) -> Self {
        Self { entries: Mutex::default(), wakeups }
    }

    pub(crate) fn call<O: Apply>(&self, operation: &O) -> O::Reply {
        let mut entries = self.entries();
        let reply = operation.apply(&mut entries, Now::of_this_machine());
        let changed = entries.take_changed();
        drop(entries);
        for key in changed {
            self.wakeups.wake(&key);
        }
        reply
    }

    /// Puts any text at a key, as a stranger would.
    #[cfg(test)]
    pub(crate) fn put(&self, key: &str, value: &[u8], life: Option<Duration>) {
        self.entries().put(key, value.to_vec(), life, Tick::now());
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No operation leaves the map half-changed, so a panic of another thread spoils nothing.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("entries", &self.entries().map.len()).finish()
    }
}

/// Keys with their values and the moments at which they expire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entries {
    map: BTreeMap<String, Entry>,
    sweep_at: usize,
    /// What the present operation has written or removed.
    changed: Vec<String>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { map: BTreeMap::new(), sweep_at: FIRST_SWEEP, changed: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    value: Vec<u8>,
    expires: Option<Tick>,
}

impl Entries {
    fn get(&mut self, key: &str, now: Tick) -> Option<&[u8]> {
        if self.map.get(key)?.expires.is_some_and(|expires| expires <= now) {
            self.map.remove(key);
        }
        self.map.get(key).map(|entry| entry.value.as_slice())
    }

    fn remaining(&self, key: &str, now: Tick) -> Option<Duration> {
        self.map.get(key)?.expires.map(|expires| now.until(expires))
    }

    /// The names of the keys that were written or removed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    /// Removes what has expired.
    pub(crate) fn sweep(&mut self, now: Tick) {
        self.map.retain(|_, entry| entry.expires.is_none_or(|expires| expires > now));
    }

    fn put(&mut self, key: &str, value: Vec<u8>, life: Option<Duration>, now: Tick) {
        if self.map.len() >= self.sweep_at {
            self.sweep(now);
            self.sweep_at = FIRST_SWEEP.max(self.map.len() * 2);
        }
        self.changed.push(key.to_owned());
        self.map.insert(key.to_owned(), Entry { value, expires: life.map(|life| now + life) });
    }

    fn remove(&mut self, key: &str) -> bool {
        self.changed.push(key.to_owned());
        self.map.remove(key).is_some()
    }

    /// Never shortens: of two extensions the one that was overtaken may come last.
    fn extend(&mut self, key: &str, life: Duration, now: Tick) {
        if let Some(entry) = self.map.get_mut(key) {
            let expires = now + life;
            entry.expires = Some(entry.expires.map_or(expires, |known| known.max(expires)));
        }
    }

    /// Whether the key holds this record.
    fn holds(&mut self, key: &str, tag: &Tag, state: State, now: Tick) -> bool {
        self.get(key, now) == Some(tag.record(state).as_bytes())
    }

    /// The last token, 0 where there is none, or the reply where something else stands in its place.
    fn last_fence(&mut self, key: &str, now: Tick) -> Result<u64, Acquired> {
        match self.get(key, now) {
            None => Ok(0),
            Some(_) => self.fence(key, now).ok_or_else(|| Acquired::StrangeFence("string".to_owned())),
        }
    }

    fn next_fence(&mut self, key: &str, last: u64, now: Now, reserve: u32, life: Duration) -> u64 {
        let fence = now.server.0.max(last + 1);
        self.put(key, (fence + u64::from(reserve)).to_string().into_bytes(), Some(life), now.tick);
        fence
    }

    /// The note of the turn that the caller waited for, or of one that turns everybody away.
    fn failure(&mut self, names: &Names, fetch: Fetch<'_>, now: Now) -> Option<Vec<u8>> {
        let record = self.get(&names.record, now.tick);
        if record.is_some_and(|raw| raw.last() == Some(&b'1')) {
            return None;
        }
        let free = record.is_none();
        let note = self.get(&names.error(), now.tick)?;
        let Parts { turn, till, mark, .. } = parts(note)?;
        let answers = fetch.waited_for == Some(turn) || (free && now.server < till);
        let answers = answers && mark == fetch.mark.as_bytes();
        answers.then(|| note.to_vec())
    }

    /// The value; an empty one is none.
    fn value(&mut self, names: &Names, now: Tick) -> Option<Excerpt> {
        let bytes = self.get(&names.value(), now).filter(|bytes| !bytes.is_empty())?;
        Some(Excerpt::whole(bytes.to_vec()))
    }

    fn keep(&mut self, names: &Names, value: &Sent, life: Duration, now: Tick) {
        if let Sent::With(value) = value {
            self.put(&names.value(), value.to_vec(), Some(life), now);
        }
    }

    fn fence(&mut self, key: &str, now: Tick) -> Option<u64> {
        str::from_utf8(self.get(key, now)?).ok()?.parse().ok()
    }
}

impl Apply for Acquire<'_> {
    type Reply = Acquired;

    fn apply(&self, entries: &mut Entries, now: Now) -> Acquired {
        let (names, tick, time) = (self.names, now.tick, now.server);
        if self.replicas.is_some() {
            // There are none, and a lock is not to be had without.
            return Acquired::Unconfirmed { by: 0, now: time };
        }
        if entries.holds(&names.record, self.tag, State::Computed, tick) {
            return Acquired::Spent;
        }
        if entries.holds(&names.record, self.tag, State::Blocked, tick) {
            let fence = match entries.last_fence(&names.fence(), tick) {
                // The fence is lost, and so is the token that nobody has heard of.
                Ok(0) => entries.next_fence(&names.fence(), 0, now, self.reserve, self.fence_life),
                Ok(last) => last - u64::from(self.reserve),
                Err(strange) => return strange,
            };
            return Acquired::Granted { fence, now: time };
        }
        if time > self.not_after {
            return Acquired::Late { now: time };
        }
        if let Some(note) = self.fetch.and_then(|fetch| entries.failure(names, fetch, now)) {
            return Acquired::Failed { note, now: time };
        }
        let remaining = entries.remaining(&names.record, tick);
        if let Some(raw) = entries.get(&names.record, tick) {
            let relocks = self.relock && is_ours_and_computed(raw, &names.separator);
            if !relocks && !self.replace.is_some_and(|replace| may_replace(replace, raw, remaining)) {
                let raw = raw.to_vec();
                let fetch = self.fetch.filter(|_| raw.last() == Some(&b'1'));
                let value = fetch.and_then(|_| entries.value(names, tick));
                let ahead = fetch.and_then(|fetch| fetch.refresh_ahead);
                let soon = value.is_some() && remaining.zip(ahead).is_some_and(|(life, ahead)| life <= ahead);
                let mark = self.tag.record(State::Blocked).into_bytes();
                // A repeat by the same turn has a token of its own: the lock may have been granted in between.
                if soon
                    && entries.get(&names.refresh(), tick).is_none_or(|seen| seen == mark)
                    && let Ok(last) = entries.last_fence(&names.fence(), tick)
                {
                    entries.put(&names.refresh(), mark, Some(self.lease), tick);
                    let fence = entries.next_fence(&names.fence(), last, now, self.reserve, self.fence_life);
                    return Acquired::Refresh { fence, raw, now: time, value };
                }
                return Acquired::Held { raw, remaining, now: time, value };
            }
        }
        let last = match entries.last_fence(&names.fence(), tick) {
            Ok(last) => last,
            Err(strange) => return strange,
        };
        entries.put(&names.record, self.tag.record(State::Blocked).into_bytes(), Some(self.lease), tick);
        let fence = entries.next_fence(&names.fence(), last, now, self.reserve, self.fence_life);
        Acquired::Granted { fence, now: time }
    }
}

fn may_replace(replace: &Replace, raw: &[u8], remaining: Option<Duration>) -> bool {
    let soon = |at_most| remaining.is_some_and(|remaining| remaining <= at_most);
    replace.seen == raw && replace.life_at_most.is_none_or(soon)
}

/// Whether the mode alone may re-lock it. A record that may be somebody else's is first shown to the caller.
fn is_ours_and_computed(raw: &[u8], separator: &str) -> bool {
    let is_ours = |record: Record| record.state == State::Computed && record.is_surely_ours();
    separator == "," && Record::parse(raw, separator).is_ok_and(is_ours)
}

impl Apply for Release<'_> {
    type Reply = Released;

    fn apply(&self, entries: &mut Entries, now: Now) -> Released {
        let record = &self.names.record;
        if entries.holds(record, self.tag, State::Blocked, now.tick) {
            if let Some(expire) = self.expire {
                entries.put(record, self.tag.record(State::Computed).into_bytes(), Some(expire), now.tick);
                entries.extend(&self.names.fence(), self.fence_life, now.tick);
                if let Some((value, life)) = self.value {
                    entries.keep(self.names, value, life, now.tick);
                    entries.remove(&self.names.error());
                }
            } else {
                entries.remove(record);
            }
            // All who wait are callers of this process.
            return Released::Done { others: 0 };
        }
        match entries.get(record, now.tick) {
            None => Released::Gone,
            Some(raw) if raw == self.tag.record(State::Computed).as_bytes() => Released::AlreadyComputed,
            Some(raw) => Released::Held(raw.to_vec()),
        }
    }
}

impl Apply for Refresh<'_> {
    type Reply = Released;

    fn apply(&self, entries: &mut Entries, now: Now) -> Released {
        let Release { names, tag, expire, fence_life, value, .. } = &self.release;
        if entries.holds(&names.refresh(), tag, State::Blocked, now.tick) {
            entries.remove(&names.refresh());
        }
        match entries.get(&names.record, now.tick) {
            None => Released::Gone,
            Some(raw) if raw == tag.record(State::Computed).as_bytes() => Released::AlreadyComputed,
            Some(raw) if raw != self.seen => Released::Held(raw.to_vec()),
            Some(_) => {
                entries.put(&names.record, tag.record(State::Computed).into_bytes(), *expire, now.tick);
                entries.extend(&names.fence(), *fence_life, now.tick);
                if let Some((value, life)) = value {
                    entries.keep(names, value, *life, now.tick);
                }
                Released::Done { others: 0 }
            }
        }
    }
}

impl Apply for Fail<'_> {
    type Reply = bool;

    fn apply(&self, entries: &mut Entries, now: Now) -> bool {
        let ours = Abandon { names: self.names, tag: self.tag }.apply(entries, now);
        if ours {
            entries.put(&self.names.error(), self.note.to_vec(), Some(self.life), now.tick);
        }
        ours
    }
}

impl Apply for ReadValue<'_> {
    type Reply = Option<Excerpt>;

    fn apply(&self, entries: &mut Entries, now: Now) -> Option<Excerpt> {
        entries.value(self.0, now.tick)
    }
}

impl Apply for Hit<'_> {
    type Reply = Seen;

    fn apply(&self, entries: &mut Entries, now: Now) -> Seen {
        let remaining = entries.remaining(&self.names.record, now.tick).filter(|_| self.life);
        // An empty one is none, as to a plain read of a string.
        let record = entries.get(&self.names.record, now.tick).filter(|record| !record.is_empty());
        let record = record.map(<[u8]>::to_vec);
        Seen { record, value: entries.value(self.names, now.tick), remaining }
    }
}

impl Apply for Abandon<'_> {
    type Reply = bool;

    fn apply(&self, entries: &mut Entries, now: Now) -> bool {
        let ours = entries.holds(&self.names.record, self.tag, State::Blocked, now.tick);
        if ours {
            entries.remove(&self.names.record);
        }
        ours
    }
}

impl Apply for Renew<'_> {
    type Reply = Vec<bool>;

    fn apply(&self, entries: &mut Entries, now: Now) -> Vec<bool> {
        let mut renew = |one: &super::RenewOne<'_>| {
            let ours = entries.holds(&one.names.record, one.tag, State::Blocked, now.tick);
            if ours {
                entries.extend(&one.names.record, one.life, now.tick);
                entries.extend(&one.names.fence(), one.fence_life, now.tick);
            }
            ours
        };
        self.0.iter().map(&mut renew).collect()
    }
}

impl Apply for Read<'_> {
    type Reply = Found;

    fn apply(&self, entries: &mut Entries, now: Now) -> Found {
        let fence = entries.fence(&self.0.fence(), now.tick);
        let remaining = entries.remaining(&self.0.record, now.tick);
        match entries.get(&self.0.record, now.tick) {
            Some(raw) => Found::Held { raw: raw.to_vec(), remaining, fence },
            None => Found::Free,
        }
    }
}

impl Apply for Peek<'_> {
    type Reply = (Found, Option<Excerpt>);

    fn apply(&self, entries: &mut Entries, now: Now) -> Self::Reply {
        let found = Read(self.0).apply(entries, now);
        let computed = matches!(&found, Found::Held { raw, .. } if raw.last() == Some(&b'1'));
        let value = if computed { ReadValue(self.0).apply(entries, now) } else { None };
        (found, value)
    }
}

impl Apply for Forget<'_> {
    type Reply = Forgotten;

    fn apply(&self, entries: &mut Entries, now: Now) -> Forgotten {
        match entries.get(&self.0.record, now.tick) {
            Some(raw) if Record::parse(raw, &self.0.separator).is_err() => {
                return Forgotten::Foreign(raw.to_vec());
            }
            _ => {}
        }
        entries.remove(&self.0.value());
        entries.remove(&self.0.error());
        Forgotten::Done(entries.remove(&self.0.record))
    }
}

impl Apply for Time {
    type Reply = ServerTime;

    fn apply(&self, _: &mut Entries, now: Now) -> ServerTime {
        now.server
    }
}

impl Apply for Ping {
    type Reply = ();

    fn apply(&self, _: &mut Entries, _: Now) {}
}
