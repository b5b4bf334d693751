//! `acquire.lua` in Rust: the same decisions, in the same order, by the same names.

use super::entries::is;
use super::{Entries, Now};
use crate::format::note::{Parts, parts};
use crate::format::record::{Record, State};
use crate::store::{Acquire, Acquired};
use std::time::Duration;

impl Entries {
    pub(crate) fn acquire(&mut self, acquire: &Acquire<'_>, now: Now) -> Acquired {
        let Acquire { names, tag, fetch, .. } = *acquire;
        if acquire.replicas.is_some() {
            // Memory has no replicas, and the caller wants no lock without them.
            return Acquired::Unconfirmed { by: 0, now: now.server };
        }
        let record = self.get(&names.record, now.tick);
        if is(record, tag, State::Computed) {
            return Acquired::Spent;
        }
        if is(record, tag, State::Blocked) {
            // A repeat by the same turn: the reply to the first request was lost. Its lease goes on from there. It gets a token
            // of its own, since another lock of the slot may have got one in between.
            return self.grant(acquire, now);
        }
        if now.server > acquire.not_after {
            return Acquired::Late { now: now.server };
        }
        let computed = record.is_some_and(|record| record.ends_with(b"1"));
        if fetch.is_some()
            && !computed
            && let Some(note) = self.failure(acquire, record.is_none(), now)
        {
            return Acquired::Failed { note, now: now.server };
        }
        if let Some(record) = record {
            let ours = acquire.relock && is_ours(record, &names.separator);
            let life = self.remaining(&names.record, now.tick);
            let seen = acquire.replace.is_some_and(|replace| {
                let lives_at_most = |at_most| life.is_some_and(|life| life <= at_most);
                replace.seen == record && replace.life_at_most.is_none_or(lives_at_most)
            });
            if !ours && !seen {
                let raw = record.to_vec();
                return self.held(acquire, raw, life, now);
            }
        }
        self.put_record(&names.record, tag, State::Blocked, Some(acquire.lease), now.tick);
        self.grant(acquire, now)
    }

    /// The note of the turn that the caller waited for, or of a failure that is cached for all callers.
    fn failure(&self, acquire: &Acquire<'_>, free: bool, now: Now) -> Option<Vec<u8>> {
        let fetch = acquire.fetch?;
        let note = self.get(&acquire.names.error(), now.tick)?;
        let Parts { turn, till, label, .. } = parts(note)?;
        let answers = fetch.waited_for == Some(turn) || (free && now.server < till);
        (answers && label == fetch.label.as_bytes()).then(|| note.to_vec())
    }

    /// The record that the caller can't replace, with its value.
    fn held(&self, acquire: &Acquire<'_>, raw: Vec<u8>, life: Option<Duration>, now: Now) -> Acquired {
        let wants_value = acquire.fetch.is_some() && raw.ends_with(b"1");
        let value = if wants_value { self.value(acquire.names, now.tick) } else { None };
        Acquired::Held { raw, remaining: life, now: now.server, value }
    }

    /// Grants the record with the next token. The tokens that are reserved after it are taken as well.
    fn grant(&mut self, acquire: &Acquire<'_>, now: Now) -> Acquired {
        let key = &acquire.names.fence;
        let last = self.get(key, now.tick).and_then(token).unwrap_or_default();
        let fence = now.server.0.max(last + 1);
        let taken = fence + u64::from(acquire.reserve);
        self.put(key, taken.to_string().into_bytes(), None, now.tick);
        Acquired::Granted { fence, now: now.server }
    }
}

/// The last token. A text, or a number that no later token could follow exactly, counts as lost.
fn token(text: &[u8]) -> Option<u64> {
    const LIMIT: u64 = 9_000_000_000_000_000;
    let digits = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|&token| token < LIMIT)
}

/// Whether the mode alone may re-lock this record. A record that may be another scheme's is first shown to the caller.
fn is_ours(raw: &[u8], separator: &str) -> bool {
    let is_ours = |record: Record| record.state == State::Computed && record.is_surely_ours();
    separator == "," && Record::parse(raw, separator).is_ok_and(is_ours)
}
