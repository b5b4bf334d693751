//! Local copies of values, so that a hit costs no round trip.
//!
//! The user bounds their number and their weight. A copy is dropped when the server notifies of a change of its record, and at
//! the latest when its time is over or its record expires.

use crate::clock::Tick;
use crate::format::envelope::{Payload, Stored};
use crate::format::scheme::Scheme;
use crate::options::CallId;
use crate::sync::lock;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};
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

/// The local copies of one client.
pub(crate) struct Copies {
    cache: Cache<CallId, Kept, Weight, DefaultHashBuilder, Collect>,
    /// The calls that have a copy, by the names of their records. Locked during each change of the cache.
    calls: Mutex<HashMap<String, Vec<CallId>>>,
    /// The least that each of them weighs, which bounds their number.
    least: AtomicU64,
    weights: Mutex<HashMap<TypeId, Weigh>>,
}

/// The bytes of memory that a value of some type takes.
type Weigh = Arc<dyn Fn(&dyn Any) -> usize + Send + Sync>;

/// A copy of a value.
#[derive(Debug)]
pub(crate) struct LocalCopy {
    pub(crate) record: String,
    pub(crate) payload: Payload,
    until: Tick,
    /// Its address is a part of the identity of the call, so it lives as long as the copy.
    _scheme: Arc<dyn Scheme>,
}

impl LocalCopy {
    /// A copy of the value beside this record, for calls with this scheme.
    pub(super) fn new(record: &str, scheme: &Arc<dyn Scheme>, payload: &Payload, until: Tick) -> Self {
        Self { record: record.to_owned(), payload: payload.clone(), until, _scheme: Arc::clone(scheme) }
    }

    /// A copy of a value that was read just now, for as long as this process may serve it: at most `local`, and no longer than
    /// its record lives.
    pub(crate) fn of(
        stored: &Stored,
        record: &str,
        scheme: &Arc<dyn Scheme>,
        local: Duration,
        refresh_ahead: Option<Duration>,
    ) -> Self {
        let at_most = Tick::now() + local;
        // After that, callers have to ask the store, so that one of them computes the next value.
        let ahead = refresh_ahead.unwrap_or_default();
        let until = stored.until.map_or(at_most, |until| until.before(ahead).min(at_most));
        Self::new(record, scheme, &stored.payload, until)
    }

    pub(crate) fn until(&self) -> Tick {
        self.until
    }

    /// Whether it may still be served.
    pub(crate) fn is_good(&self, now: Tick) -> bool {
        now < self.until
    }
}

/// A copy with its weight, which must not change while it is in the cache.
#[derive(Clone)]
pub(crate) struct Kept {
    copy: Arc<LocalCopy>,
    weight: u64,
}

/// Copies that have left the cache. Dropping them may run code of the user's, so that is done without a lock.
pub(crate) type Dropped = Vec<(CallId, Kept)>;

#[derive(Clone)]
struct Weight;

impl Weighter<CallId, Kept> for Weight {
    fn weight(&self, _: &CallId, kept: &Kept) -> u64 {
        kept.weight
    }
}

/// Collects what an insertion replaces and evicts.
#[derive(Clone)]
struct Collect;

impl Lifecycle<CallId, Kept> for Collect {
    type RequestState = Dropped;

    fn on_evict(&self, dropped: &mut Dropped, call: CallId, kept: Kept) {
        dropped.push((call, kept));
    }
}

impl Default for Copies {
    fn default() -> Self {
        let cache = Cache::with(NUMBER / 10, WEIGHT, Weight, DefaultHashBuilder::default(), Collect);
        Self {
            cache,
            calls: Mutex::default(),
            least: AtomicU64::new(WEIGHT / NUMBER as u64),
            weights: Mutex::default(),
        }
    }
}

impl Copies {
    pub(crate) fn get(&self, call: &[u8]) -> Option<Arc<LocalCopy>> {
        self.cache.get(call).map(|kept| kept.copy)
    }

    #[must_use = "drop it without a lock"]
    pub(crate) fn keep(&self, call: &CallId, copy: Arc<LocalCopy>, weight: u64) -> Dropped {
        let mut dropped = Dropped::new();
        let mut calls = lock(&self.calls);
        let same_record = calls.entry(copy.record.clone()).or_default();
        if !same_record.contains(call) {
            same_record.push(Arc::clone(call));
        }
        self.cache.insert_with_lifecycle(Arc::clone(call), Kept { copy, weight }, &mut dropped);
        for (call, Kept { copy, .. }) in &dropped {
            // A copy that was only replaced is still there.
            if !self.cache.contains_key(call)
                && let Some(same_record) = calls.get_mut(&copy.record)
            {
                same_record.retain(|kept| kept != call);
                if same_record.is_empty() {
                    calls.remove(&copy.record);
                }
            }
        }
        dropped
    }

    /// Sets the weight of this copy: it was decoded, and keeps that value too from now on.
    #[must_use = "drop it without a lock"]
    pub(crate) fn weigh(&self, call: &CallId, payload: &Payload, weight: u64) -> Dropped {
        match self.cache.peek(call) {
            Some(Kept { copy, .. }) if copy.payload.is_same(payload) => self.keep(call, copy, weight),
            _ => Dropped::new(),
        }
    }

    /// The bytes that the copy of a value takes.
    pub(crate) fn weight(&self, call: &CallId, record: &str, payload: &Payload) -> u64 {
        let encoded = payload.len();
        // The memory behind a value is unknown: most values take about as much as their encoding.
        let decoded = payload.decoded().map_or(0, |value| {
            let weigh = lock(&self.weights).get(&value.type_id()).cloned();
            weigh.map_or(size_of_val(value) + encoded, |weigh| weigh(value))
        });
        let bytes = u64::try_from(call.len() + record.len() + encoded + decoded).unwrap_or(u64::MAX);
        bytes.max(self.least.load(Ordering::Relaxed))
    }

    /// Sets the bounds, and drops all copies.
    pub(crate) fn bound(&self, number: usize, bytes: usize) {
        let number = u64::try_from(number).unwrap_or(u64::MAX).max(1);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(number);
        self.least.store(bytes.div_ceil(number), Ordering::Relaxed);
        let mut calls = lock(&self.calls);
        let dropped = self.empty(&mut calls);
        self.cache.set_capacity(bytes);
        drop(calls);
        drop(dropped);
    }

    /// Sets how values of this type are weighed.
    pub(crate) fn weigh_by<T: 'static>(&self, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) {
        let weigh = move |value: &dyn Any| value.downcast_ref().map_or(0, &weigh);
        lock(&self.weights).insert(TypeId::of::<T>(), Arc::new(weigh));
    }

    /// Removes the copies of the value of a record.
    #[must_use = "drop it without a lock"]
    pub(crate) fn take(&self, record: &str) -> Dropped {
        let mut calls = lock(&self.calls);
        let same_record = calls.remove(record).unwrap_or_default();
        same_record.iter().filter_map(|call| self.cache.remove(call)).collect()
    }

    #[must_use = "drop it without a lock"]
    pub(crate) fn take_all(&self) -> Dropped {
        self.empty(&mut lock(&self.calls))
    }

    fn empty(&self, calls: &mut HashMap<String, Vec<CallId>>) -> Dropped {
        calls.clear();
        self.cache.drain().collect()
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
    use crate::format::scheme::StandardScheme;

    const T0: Tick = Tick::from_millis(1_000);
    const S: Duration = Duration::from_secs(1);

    fn call(name: &str) -> CallId {
        name.as_bytes().into()
    }

    fn copy(record: &str, payload: &Payload) -> Arc<LocalCopy> {
        let scheme: Arc<dyn Scheme> = Arc::new(StandardScheme::default());
        Arc::new(LocalCopy::new(record, &scheme, payload, T0 + S))
    }

    fn keep(copies: &Copies, name: &str, record: &str, payload: &Payload) -> Dropped {
        let weight = copies.weight(&call(name), record, payload);
        copies.keep(&call(name), copy(record, payload), weight)
    }

    /// Keeps a copy for a call with a record of its own.
    fn keep_bytes(copies: &Copies, name: &str, bytes: usize) -> Dropped {
        keep(copies, name, name, &Payload::new(vec![0; bytes]))
    }

    fn weigh(copies: &Copies, name: &str, payload: &Payload) {
        drop(copies.weigh(&call(name), payload, copies.weight(&call(name), name, payload)));
    }

    fn has(copies: &Copies, name: &str) -> bool {
        copies.get(name.as_bytes()).is_some()
    }

    /// The calls that the records are known to have copies for, and those that have one.
    fn calls(copies: &Copies) -> (usize, usize) {
        (lock(&copies.calls).values().map(Vec::len).sum(), copies.cache.len())
    }

    #[test]
    fn is_good_until_its_time_is_over() {
        let copy = copy("r", &Payload::none());
        assert!(copy.is_good(T0) && !copy.is_good(T0 + S));
    }

    #[test]
    fn is_served_to_its_own_call_alone() {
        let copies = Copies::default();
        drop(keep_bytes(&copies, "a", 3));
        assert!(has(&copies, "a") && !has(&copies, "b"));
        assert_eq!(copies.take("b").len(), 0);
        assert_eq!(copies.take("a").len(), 1);
        assert!(!has(&copies, "a"));
    }

    #[test]
    fn a_change_drops_the_copies_of_all_calls_with_the_record() {
        let copies = Copies::default();
        for (name, record) in [("a", "r"), ("b", "r"), ("c", "other"), ("a", "r")] {
            drop(keep(&copies, name, record, &Payload::none()));
        }
        assert_eq!(calls(&copies), (3, 3));
        assert_eq!(copies.take("r").len(), 2);
        assert_eq!([has(&copies, "a"), has(&copies, "b"), has(&copies, "c")], [false, false, true]);
        assert_eq!(calls(&copies), (1, 1));
        assert_eq!(copies.take_all().len(), 1);
        assert_eq!(calls(&copies), (0, 0));
    }

    #[test]
    fn nothing_is_left_of_a_copy_that_was_evicted_or_is_too_large() {
        let copies = Copies::default();
        copies.bound(64, 1 << 20);
        for i in 0..1_000 {
            drop(keep_bytes(&copies, &i.to_string(), 1));
        }
        let (known, kept) = calls(&copies);
        assert!(known == kept && (1..=64).contains(&kept), "{known} {kept}");
        drop(copies.take_all());
        drop(keep_bytes(&copies, "r", 1));
        assert_eq!(keep_bytes(&copies, "r", 2 << 20).len(), 2, "the new one and the one before it");
        assert_eq!(calls(&copies), (0, 0));
    }

    #[test]
    fn is_bounded_by_weight_and_by_number() {
        let copies = Copies::default();
        for i in 0..200 {
            drop(keep_bytes(&copies, &i.to_string(), 1 << 20));
        }
        assert!(copies.cache.weight() <= WEIGHT && copies.cache.len() <= 64, "{copies:?}");
        drop(copies.take_all());
        for i in 0..3 * NUMBER {
            drop(keep_bytes(&copies, &i.to_string(), 1));
        }
        assert!(copies.cache.len() <= NUMBER, "{copies:?}");
    }

    #[test]
    fn the_user_sets_the_bounds() {
        let copies = Copies::default();
        drop(keep_bytes(&copies, "r", 1));
        copies.bound(1_000_000, 1 << 20);
        assert_eq!(calls(&copies), (0, 0), "new bounds drop all copies");
        for i in 0..1_000 {
            drop(keep_bytes(&copies, &i.to_string(), 1 << 10));
        }
        assert!(copies.cache.len() > 100 && copies.cache.weight() <= 1 << 20, "{copies:?}");
        // Bounds of zero keep nothing, or almost nothing.
        copies.bound(0, 0);
        drop(keep_bytes(&copies, "r", 1 << 10));
        assert_eq!(calls(&copies), (0, 0));
    }

    #[test]
    fn decoded_values_count_as_well() {
        let copies = Copies::default();
        copies.bound(1 << 30, 1 << 30);
        let weight_with = |value: Option<Arc<[u64; 100]>>| {
            drop(copies.take_all());
            let payload = Payload::new(vec![0; 10]);
            drop(keep(&copies, "r", "r", &payload));
            if let Some(value) = value {
                payload.keep(&value);
                weigh(&copies, "r", &payload);
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
        weigh(&copies, "r", &Payload::new(vec![0; 20]));
        assert_eq!(copies.cache.weight(), alone);
    }
}
