//! Local copies of values, so that a hit costs no round trip.
//!
//! The user bounds their number and their weight. A copy is dropped when the server notifies of a change of its record, and at
//! the latest when its time is over or its record expires.

use crate::clock::Tick;
use crate::format::envelope::{Label, Payload, Stored};
use crate::sync::lock;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most copies, about.
const NUMBER: usize = 10_000;

/// The most bytes of all copies together.
const WEIGHT: u64 = 64 << 20;

/// The local copies of one client, by the names of their records.
pub(crate) struct Copies {
    cache: Cache<String, Kept, Weight>,
    /// The least that each of them weighs, which bounds their number.
    least: AtomicU64,
    weights: Mutex<HashMap<TypeId, Weigh>>,
}

/// The bytes of memory that a value of some type takes.
type Weigh = Arc<dyn Fn(&dyn Any) -> usize + Send + Sync>;

/// A copy of a value.
#[derive(Clone)]
pub(crate) struct LocalCopy {
    pub(crate) label: Label,
    pub(crate) payload: Payload,
    pub(crate) until: Tick,
}

impl LocalCopy {
    /// A copy of a value that was read just now, for as long as this process may serve it: at most `local`, and no longer than
    /// its record lives.
    pub(crate) fn of(
        stored: &Stored,
        label: &Label,
        local: Duration,
        refresh_ahead: Option<Duration>,
    ) -> Self {
        let at_most = Tick::now() + local;
        // After that, callers have to ask the store, so that one of them computes the next value.
        let ahead = refresh_ahead.unwrap_or_default();
        let until = stored.until.map_or(at_most, |until| until.before(ahead).min(at_most));
        Self { label: label.clone(), payload: stored.payload.clone(), until }
    }
}

/// A copy with its weight, which must not change while it is in the cache.
#[derive(Clone)]
struct Kept {
    copy: LocalCopy,
    weight: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<String, Kept> for Weight {
    fn weight(&self, _: &String, kept: &Kept) -> u64 {
        kept.weight
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            cache: Cache::with_weighter(NUMBER / 10, WEIGHT, Weight),
            least: AtomicU64::new(WEIGHT / NUMBER as u64),
            weights: Mutex::default(),
        }
    }
}

impl Copies {
    pub(crate) fn get(&self, record: &str, label: &Label, now: Tick) -> Option<Payload> {
        let Kept { copy, .. } = self.cache.get(record)?;
        (copy.label == *label && now < copy.until).then_some(copy.payload)
    }

    pub(crate) fn keep(&self, record: &str, copy: LocalCopy, weight: u64) {
        self.cache.insert(record.to_owned(), Kept { copy, weight });
    }

    /// Sets the weight of the copy with this payload: it was decoded, and keeps that value too from now on.
    pub(crate) fn weigh(&self, record: &str, payload: &Payload, weight: u64) {
        if let Some(Kept { copy, .. }) = self.cache.get(record)
            && copy.payload.is_same(payload)
        {
            self.keep(record, copy, weight);
        }
    }

    /// The bytes that the copy of a value takes.
    pub(crate) fn weight(&self, record: &str, payload: &Payload) -> u64 {
        let encoded = payload.len();
        // The memory behind a value is unknown: most values take about as much as their encoding.
        let decoded = payload.decoded().map_or(0, |value| {
            let weigh = lock(&self.weights).get(&value.type_id()).cloned();
            weigh.map_or(size_of_val(value) + encoded, |weigh| weigh(value))
        });
        let bytes = u64::try_from(record.len() + encoded + decoded).unwrap_or(u64::MAX);
        bytes.max(self.least.load(Ordering::Relaxed))
    }

    /// Sets the bounds, and drops all copies.
    pub(crate) fn bound(&self, number: usize, bytes: usize) {
        let number = u64::try_from(number).unwrap_or(u64::MAX).max(1);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(number);
        self.least.store(bytes.div_ceil(number), Ordering::Relaxed);
        self.cache.clear();
        self.cache.set_capacity(bytes);
    }

    /// Sets how values of this type are weighed.
    pub(crate) fn weigh_by<T: 'static>(&self, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) {
        let weigh = move |value: &dyn Any| value.downcast_ref().map_or(0, &weigh);
        lock(&self.weights).insert(TypeId::of::<T>(), Arc::new(weigh));
    }

    /// Removes a copy. Dropping it may run code of the user's.
    pub(crate) fn take(&self, record: &str) -> Option<impl Sized + use<>> {
        self.cache.remove(record)
    }

    pub(crate) fn drop_all(&self) {
        self.cache.clear();
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").field("copies", &self.cache.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::key::Key;

    const T0: Tick = Tick::from_millis(1_000);
    const S: Duration = Duration::from_secs(1);

    fn label(schema: &'static str) -> Label {
        Label::new("json", schema, &Key::new("k"))
    }

    fn keep(copies: &Copies, record: &str, copy: LocalCopy) {
        let weight = copies.weight(record, &copy.payload);
        copies.keep(record, copy, weight);
    }

    fn weigh(copies: &Copies, record: &str, payload: &Payload) {
        copies.weigh(record, payload, copies.weight(record, payload));
    }

    fn copy(bytes: usize) -> LocalCopy {
        LocalCopy { label: label("a"), payload: Payload::new(vec![0; bytes]), until: T0 + S }
    }

    #[test]
    fn is_served_until_its_time_is_over_and_only_as_what_it_is() {
        let copies = Copies::default();
        keep(&copies, "r", copy(3));
        assert!(copies.get("r", &label("a"), T0).is_some());
        assert!(copies.get("r", &label("b"), T0).is_none());
        assert!(copies.get("other", &label("a"), T0).is_none());
        assert!(copies.get("r", &label("a"), T0 + S).is_none());
        drop(copies.take("r"));
        assert!(copies.get("r", &label("a"), T0).is_none());
    }

    #[test]
    fn is_bounded_by_weight_and_by_number() {
        let copies = Copies::default();
        for i in 0..200 {
            keep(&copies, &i.to_string(), copy(1 << 20));
        }
        assert!(copies.cache.weight() <= WEIGHT && copies.cache.len() <= 64, "{copies:?}");
        copies.drop_all();
        for i in 0..3 * NUMBER {
            keep(&copies, &i.to_string(), copy(1));
        }
        assert!(copies.cache.len() <= NUMBER, "{copies:?}");
    }

    #[test]
    fn the_user_sets_the_bounds() {
        let copies = Copies::default();
        copies.bound(64, 1 << 30);
        for i in 0..1_000 {
            keep(&copies, &i.to_string(), copy(1));
        }
        assert!((1..=64).contains(&copies.cache.len()), "{copies:?}");
        copies.bound(1_000_000, 1 << 20);
        assert_eq!(copies.cache.len(), 0, "new bounds drop all copies");
        for i in 0..1_000 {
            keep(&copies, &i.to_string(), copy(1 << 10));
        }
        assert!(copies.cache.len() > 100 && copies.cache.weight() <= 1 << 20, "{copies:?}");
        // Bounds of zero keep nothing, or almost nothing.
        copies.bound(0, 0);
        keep(&copies, "r", copy(1 << 10));
        assert_eq!(copies.cache.len(), 0);
    }

    #[test]
    fn decoded_values_count_as_well() {
        let copies = Copies::default();
        copies.bound(1 << 30, 1 << 30);
        let weight_with = |value: Option<Arc<[u64; 100]>>| {
            copies.drop_all();
            let copy = copy(10);
            keep(&copies, "r", copy.clone());
            if let Some(value) = value {
                copy.payload.keep(&value);
                weigh(&copies, "r", &copy.payload);
            }
            copies.cache.weight()
        };
        let alone = weight_with(None);
        assert_eq!(weight_with(Some(Arc::new([0; 100]))), alone + 800 + 10);
        copies.weigh_by(|value: &[u64; 100]| usize::try_from(value[0]).unwrap());
        copies.weigh_by(|_: &u8| 7);
        assert_eq!(weight_with(Some(Arc::new([5_000; 100]))), alone + 5_000);
        assert_eq!(weight_with(None), alone);
        // Another payload has nothing to do with this copy.
        weigh(&copies, "r", &copy(10).payload);
        assert_eq!(copies.cache.weight(), alone);
    }
}
