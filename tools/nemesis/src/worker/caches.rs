//! The keys of the scenario `caches`, one for each thing that a value can go through, and the functions that compute them.

use std::any::type_name;
use std::time::Duration;

use dspinlock::{DSpinlock, dspinlock};

use super::body::{AppError, NAMESPACE, Value, compute, compute_later};
use super::call::Call;
use super::{LEASE, SLEEP};
use crate::clock::ms;
use crate::history;

/// The first of these keys.
const FROM: u64 = 3_000_000;

/// How long the body of a slow key runs: over several renewals of its lease.
pub(super) const SLOW: Duration = ms(1_200);

const AHEAD: Duration = ms(200);
const STALE: Duration = ms(300);
const ERR_EXPIRE: Duration = ms(100);
/// Longer than readers may be late to learn of a change, so that a copy which is not dropped is seen.
const LOCAL: Duration = ms(2_500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Short,
    Calm,
    /// Now and then a caller marks it COMPUTED without a value, as Python does.
    Marked,
    /// Now and then a caller forgets it, in the middle of a computation too.
    Forgotten,
    /// Copies are kept in the processes. It is forgotten, too.
    Local,
    /// Computed again before it expires.
    Ahead,
    /// The last value stands in for a failure.
    Stale,
    /// Computed for longer than its other callers wait.
    Slow,
    /// A failure is the answer for a while.
    Errors,
}

impl Cache {
    pub(super) const ALL: [Self; 9] = [
        Self::Short,
        Self::Calm,
        Self::Marked,
        Self::Forgotten,
        Self::Local,
        Self::Ahead,
        Self::Stale,
        Self::Slow,
        Self::Errors,
    ];

    pub(crate) fn of(key: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|cache| cache.key() == key)
    }

    pub(crate) const fn key(self) -> u64 {
        FROM + self as u64
    }

    const fn expire(self) -> Duration {
        match self {
            Self::Short => ms(60),
            Self::Calm => ms(300),
            Self::Marked => ms(2_500),
            Self::Forgotten => ms(1_000),
            Self::Local => ms(3_000),
            Self::Ahead => ms(400),
            Self::Stale | Self::Slow | Self::Errors => ms(100),
        }
    }

    /// How long after its expiry a value may still be served.
    pub(crate) fn stale_for(self) -> Duration {
        if self == Self::Stale { STALE } else { Duration::ZERO }
    }

    /// How long after a failure callers may still be told of it.
    pub(crate) fn failed_for(self) -> Duration {
        if self == Self::Errors { ERR_EXPIRE } else { Duration::ZERO }
    }

    /// Whether `get_or_compute` may compute it as well, which has none of the attribute's options.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Short | Self::Calm | Self::Marked | Self::Forgotten)
    }
}

/// A blocking and an async function. All share the namespace and the schema with each other and with `get_or_compute`.
macro_rules! doors {
    ($($blocking:ident, $later:ident: $cached:meta;)*) => {$(
        #[dspinlock(
            client = call.client, namespace = "nemesis", key = call.key, $cached, expire = cache.expire(),
            sleep = SLEEP, wait = call.budget, lease = LEASE, guard = lock
        )]
        fn $blocking(call: &Call, cache: Cache) -> Result<Value, AppError> {
            compute(call, Some(&lock))
        }

        #[dspinlock(
            client = call.client, namespace = "nemesis", key = call.key, $cached, expire = cache.expire(),
            sleep = SLEEP, wait = call.budget, lease = LEASE, guard = lock
        )]
        async fn $later(call: &Call, cache: Cache) -> Result<Value, AppError> {
            compute_later(call, Some(&lock)).await
        }
    )*};
}

doors! {
    plain, plain_later: cached(schema = type_name::<Value>());
    local, local_later: cached(local = LOCAL, schema = type_name::<Value>());
    ahead, ahead_later: cached(refresh_ahead = AHEAD, schema = type_name::<Value>());
    stale, stale_later: cached(stale_if_error = STALE, schema = type_name::<Value>());
    errors, errors_later: cached(err_expire = ERR_EXPIRE, schema = type_name::<Value>());
}

/// The same lock as that of these functions.
pub(super) fn lock(call: &Call, cache: Cache) -> DSpinlock {
    let lock = call.client.lock(call.key).namespace(NAMESPACE).expire(cache.expire()).lease(LEASE);
    lock.sleep(SLEEP).wait(call.budget)
}

pub(super) fn get(call: &Call, cache: Cache) -> Result<Value, AppError> {
    match cache {
        _ if call.in_code => lock(call, cache).get_or_compute_blocking(|| compute(call, None)),
        Cache::Local => local(call, cache),
        Cache::Ahead => ahead(call, cache),
        Cache::Stale => stale(call, cache),
        Cache::Errors => errors(call, cache),
        _ => plain(call, cache),
    }
}

pub(super) async fn get_later(call: &Call, cache: Cache) -> Result<Value, AppError> {
    match cache {
        _ if call.in_code => lock(call, cache).get_or_compute(|| compute_later(call, None)).await,
        Cache::Local => local_later(call, cache).await,
        Cache::Ahead => ahead_later(call, cache).await,
        Cache::Stale => stale_later(call, cache).await,
        Cache::Errors => errors_later(call, cache).await,
        _ => plain_later(call, cache).await,
    }
}

/// Forgets the key while a body computes it, by an operation of its own.
pub(super) fn forget_meanwhile(call: &Call) {
    if let Some(cache) = Cache::of(call.key).filter(|_| call.forgets) {
        let call = call.beside(history::Call::Forget);
        let asking = call.invoke();
        asking.done(lock(&call, cache).forget_blocking().map(drop));
    }
}

pub(super) async fn forget_meanwhile_later(call: &Call) {
    if let Some(cache) = Cache::of(call.key).filter(|_| call.forgets) {
        let call = call.beside(history::Call::Forget);
        let asking = call.invoke();
        asking.done(lock(&call, cache).forget().await.map(drop));
    }
}
