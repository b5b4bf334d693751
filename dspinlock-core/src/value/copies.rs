//! Values kept in this process for a while, so that a hit costs no round trip.
//!
//! Bounded by number and by weight; each is dropped when the server tells that its record has changed, and in any case
//! after the time that the user gave, or with its record.

use super::{Label, Payload};
use crate::clock::Tick;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fmt;

/// How many values are kept at the most, about.
const NUMBER: usize = 10_000;

/// How many bytes they have together at the most.
const WEIGHT: u64 = 64 << 20;

/// The local copies of one client, by the names of their records.
pub(crate) struct Copies(Cache<String, LocalCopy, Bytes>);

/// One of them.
#[derive(Clone)]
pub(crate) struct LocalCopy {
    pub(crate) label: Label,
    pub(crate) payload: Payload,
    pub(crate) until: Tick,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<String, LocalCopy> for Bytes {
    fn weight(&self, record: &String, copy: &LocalCopy) -> u64 {
        // With the least that an entry of its own may weigh, the number is bounded as well.
        let bytes = u64::try_from(record.len() + copy.payload.len()).unwrap_or(u64::MAX);
        bytes.max(WEIGHT / NUMBER as u64)
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self(Cache::with_weighter(NUMBER / 10, WEIGHT, Bytes))
    }
}

impl Copies {
    pub(crate) fn get(&self, record: &str, label: &Label, now: Tick) -> Option<Payload> {
        let copy = self.0.get(record)?;
        (copy.label == *label && now < copy.until).then_some(copy.payload)
    }

    pub(crate) fn keep(&self, record: &str, copy: LocalCopy) {
        self.0.insert(record.to_owned(), copy);
    }

    pub(crate) fn drop_copy(&self, record: &str) {
        self.0.remove(record);
    }

    pub(crate) fn drop_all(&self) {
        self.0.clear();
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").field("copies", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use std::time::Duration;

    const T0: Tick = Tick::from_millis(1_000);
    const S: Duration = Duration::from_secs(1);

    fn label(schema: &'static str) -> Label {
        Label::new("json", schema, &Key::new("k"))
    }

    fn copy(bytes: usize) -> LocalCopy {
        LocalCopy { label: label("a"), payload: Payload::new(vec![0; bytes]), until: T0 + S }
    }

    #[test]
    fn is_served_until_its_time_is_over_and_only_as_what_it_is() {
        let copies = Copies::default();
        copies.keep("r", copy(3));
        assert!(copies.get("r", &label("a"), T0).is_some());
        assert!(copies.get("r", &label("b"), T0).is_none());
        assert!(copies.get("other", &label("a"), T0).is_none());
        assert!(copies.get("r", &label("a"), T0 + S).is_none());
        copies.drop_copy("r");
        assert!(copies.get("r", &label("a"), T0).is_none());
    }

    #[test]
    fn is_bounded_by_weight_and_by_number() {
        let copies = Copies::default();
        for i in 0..200 {
            copies.keep(&i.to_string(), copy(1 << 20));
        }
        assert!(copies.0.weight() <= WEIGHT && copies.0.len() <= 64, "{copies:?}");
        copies.drop_all();
        for i in 0..3 * NUMBER {
            copies.keep(&i.to_string(), copy(1));
        }
        assert!(copies.0.len() <= NUMBER, "{copies:?}");
    }
}
