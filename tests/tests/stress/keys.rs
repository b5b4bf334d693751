//! What the round is about: a few keys, and the cached functions that compute their values.

use std::any::type_name;
use std::time::Duration;

use dspinlock::dspinlock;
use dspinlock_tests::ms;

use crate::body::{AppError, Call, Value};

/// How long a killed process blocks the others.
pub(crate) const LEASE: Duration = ms(1_200);

/// How long the body of a slow key runs, over several leases' renewals.
pub(crate) const SLOW: Duration = ms(2_500);

pub(crate) const AHEAD: Duration = ms(200);
pub(crate) const STALE: Duration = ms(300);
pub(crate) const ERR_EXPIRE: Duration = ms(100);

/// Longer than what may be known late of a change, so that a copy which is not dropped is seen.
const LOCAL: Duration = ms(2_500);

/// What the values of a key go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// Copies are kept in the processes.
    Local,
    /// Computed anew ahead of time.
    Ahead,
    /// The last value bridges failures.
    Stale,
    /// Failures turn everybody away for a while.
    Errors,
    /// Computed for longer than its other callers wait.
    Slow,
    /// Not a value's: for locking only.
    Lock,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) expire: Duration,
    /// Whether somebody forgets it now and then.
    pub(crate) forgotten: bool,
    /// Whether somebody marks it COMPUTED without a value, as Python does.
    pub(crate) marked: bool,
}

const fn key(name: &'static str, kind: Kind, expire: u64, forgotten: bool, marked: bool) -> Key {
    Key { name, kind, expire: ms(expire), forgotten, marked }
}

pub(crate) static VALUES: [Key; 9] = [
    key("short", Kind::Plain, 60, false, false),
    key("calm", Kind::Plain, 300, false, false),
    key("marked", Kind::Plain, 2_500, false, true),
    key("forgotten", Kind::Plain, 1_000, true, false),
    key("local", Kind::Local, 3_000, true, false),
    key("ahead", Kind::Ahead, 400, false, false),
    key("stale", Kind::Stale, 100, false, false),
    key("slow", Kind::Slow, 100, false, false),
    key("errors", Kind::Errors, 100, false, false),
];

pub(crate) static LOCKS: [Key; 2] =
    [key("lock-a", Kind::Lock, 0, false, false), key("lock-b", Kind::Lock, 0, false, false)];

pub(crate) fn find(name: &str) -> &'static Key {
    VALUES.iter().chain(&LOCKS).find(|key| key.name == name).expect("a key of this test")
}

/// The two doors of a function; all share the namespace and the schema, as do the calls of `get_or_compute`.
macro_rules! doors {
    ($($blocking:ident, $task:ident: $cached:meta;)*) => {$(
        #[dspinlock(
            client = call.client, namespace = "stress", key = call.key.name, $cached, expire = call.key.expire,
            wait = call.budget, lease = LEASE, guard = lock
        )]
        fn $blocking(call: &Call) -> Result<Value, AppError> {
            call.compute(Some(&lock))
        }

        #[dspinlock(
            client = call.client, namespace = "stress", key = call.key.name, $cached, expire = call.key.expire,
            wait = call.budget, lease = LEASE, guard = lock
        )]
        async fn $task(call: &Call) -> Result<Value, AppError> {
            call.compute_later(Some(&lock)).await
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

pub(crate) fn by_attribute(call: &Call) -> Result<Value, AppError> {
    match call.key.kind {
        Kind::Ahead => ahead(call),
        Kind::Stale => stale(call),
        Kind::Errors => errors(call),
        Kind::Local => local(call),
        Kind::Plain | Kind::Slow | Kind::Lock => plain(call),
    }
}

pub(crate) async fn by_attribute_later(call: &Call) -> Result<Value, AppError> {
    match call.key.kind {
        Kind::Ahead => ahead_later(call).await,
        Kind::Stale => stale_later(call).await,
        Kind::Errors => errors_later(call).await,
        Kind::Local => local_later(call).await,
        Kind::Plain | Kind::Slow | Kind::Lock => plain_later(call).await,
    }
}
