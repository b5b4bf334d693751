//! What the memory store holds: keys with their values, and when they expire.

use crate::clock::Tick;
use crate::format::record::{State, Tag};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A write looks for expired entries once there are this many, and then once there are twice as many as it left.
const FIRST_SWEEP: usize = 1024;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entries {
    map: BTreeMap<String, Entry>,
    sweep_at: usize,
    /// The keys that the present operation has written or removed.
    changed: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Entry {
    value: Vec<u8>,
    expires: Option<Tick>,
}

impl Entry {
    fn is_alive(&self, now: Tick) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self { map: BTreeMap::new(), sweep_at: FIRST_SWEEP, changed: Vec::new() }
    }
}

impl Entries {
    fn entry(&self, key: &str, now: Tick) -> Option<&Entry> {
        self.map.get(key).filter(|entry| entry.is_alive(now))
    }

    pub(super) fn get(&self, key: &str, now: Tick) -> Option<&[u8]> {
        self.entry(key, now).map(|entry| entry.value.as_slice())
    }

    pub(super) fn remaining(&self, key: &str, now: Tick) -> Option<Duration> {
        self.entry(key, now)?.expires.map(|expires| now.until(expires))
    }

    pub(super) fn put(&mut self, key: &str, value: Vec<u8>, life: Option<Duration>, now: Tick) {
        if self.map.len() >= self.sweep_at {
            self.sweep(now);
            self.sweep_at = FIRST_SWEEP.max(self.map.len() * 2);
        }
        self.changed.push(key.to_owned());
        self.map.insert(key.to_owned(), Entry { value, expires: life.map(|life| now + life) });
    }

    pub(super) fn put_record(
        &mut self,
        key: &str,
        tag: &Tag,
        state: State,
        life: Option<Duration>,
        now: Tick,
    ) {
        self.put(key, tag.record(state).into_bytes(), life, now);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.changed.push(key.to_owned());
        self.map.remove(key);
    }

    /// Never shortens a life: of two extensions the overtaken one may come last.
    pub(super) fn extend(&mut self, key: &str, life: Duration, now: Tick) {
        if let Some(entry) = self.map.get_mut(key).filter(|entry| entry.is_alive(now)) {
            let expires = now + life;
            entry.expires = Some(entry.expires.map_or(expires, |known| known.max(expires)));
        }
    }

    /// Whether the key is BLOCKED by this tag.
    pub(super) fn is_blocked_by(&self, key: &str, tag: &Tag, now: Tick) -> bool {
        is(self.get(key, now), tag, State::Blocked)
    }

    /// Takes the keys that were written or removed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    /// Removes expired entries.
    pub(crate) fn sweep(&mut self, now: Tick) {
        self.map.retain(|_, entry| entry.is_alive(now));
    }
}

/// Whether what was found is the record of this tag and state.
pub(super) fn is(found: Option<&[u8]>, tag: &Tag, state: State) -> bool {
    found.and_then(|raw| raw.strip_prefix(tag.as_str().as_bytes())) == Some(&[state.digit() as u8])
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("number", &self.map.len()).finish_non_exhaustive()
    }
}
