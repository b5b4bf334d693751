//! One attribute makes a function run once across a fleet: a process that calls it with the same key waits, is turned
//! away, or gets the value that another process computes. The lock is in Redis or Valkey, and can be shared with
//! Python's `py-dspinlock`.
//!
//! ```
//! use dspinlock::{dspinlock, Client};
//!
//! #[dspinlock(key = customer_id, sleep = "100ms")]
//! fn rebuild_report(customer_id: u64) -> Result<(), dspinlock::Error> {
//!     println!("one process at a time rebuilds the report of customer {customer_id}");
//!     Ok(())
//! }
//!
//! // Once, at the start of `main`. Without it the client is that of `DSPINLOCK_URL`, or of `redis://127.0.0.1:6379/0`.
//! dspinlock::init(Client::memory())?;
//! rebuild_report(17)?;
//! # Ok::<(), dspinlock::Error>(())
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | annotate a function | [`#[dspinlock]`](macro@dspinlock): modes, arguments, restrictions |
//! | lock in code | [`Client::lock`], [`DSpinlock`], [`Guard`] |
//! | choose the server, or bring a connection | [`Client`], [`Config`], [`init`], [`redis_1`] |
//! | fail at the start if the server is not there | [`Client::ping`], [`Client::ping_blocking`]: [`Client::connect`] and [`init`] connect to nothing |
//! | connect over a unix socket | `redis+unix:///run/redis.sock`, in [`Client::connect`] or `DSPINLOCK_URL` |
//! | give back all locks when the process ends | [`shutdown`], [`Client::shutdown`] |
//! | know what an error means, and its HTTP status | [`Error`], [`ErrorKind`] |
//! | know which rights a server's user needs | [`access`] |
//! | lock your own types | [`LockKey`] and its derive |
//! | test annotated functions without a server | [`testing`], [`Client::memory`] |
//! | use other names than py-dspinlock's | [`Scheme`] |
//! | share locks with Python | [`python`] |
//! | read or forget a cached value | [`CachedEntry`] |
//! | know what a holder learns, and what happens in an outage | [`holding`] |
//! | know what `cached` stores in Redis | [`values`] |
//! | have a resource refuse late writes of earlier holders | [`fencing`] |
//! | see what the library does | `tracing` events with the target `dspinlock`; [`logging`] |
//! | know what is planned | [`roadmap`] |
//!
//! # What a lock on Redis can promise
//!
//! It makes it *very unlikely* that two processes work at once, and a holder learns that it has lost its lock. It can't
//! make it impossible: a process can be paused for longer than its lease at any point, and a server that fails over can
//! lose the newest records. If two holders would do damage, pass the [fencing token](LockHandle::fencing_token) to the
//! resource and let it refuse lower ones.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use dspinlock_core::{
    CachedEntry, Client, Codec, Config, DSpinlock, Entry, Error, ErrorKind, Guard, Inspection, Json, Key,
    KeyEncoder, LockHandle, LockKey, OnOutage, Options, Protocol, RecordInfo, Result, Scheme, State, Tls,
    Turn, Wakeup, current_client, init, shutdown, shutdown_blocking, testing,
};

#[cfg(feature = "msgpack")]
pub use dspinlock_core::MessagePack;
#[cfg(feature = "redis")]
pub use dspinlock_core::{Script, redis_1};

#[cfg(feature = "macros")]
pub use dspinlock_macros::{LockKey, dspinlock};

#[doc(hidden)]
pub use dspinlock_core::__private;

#[cfg(feature = "logging")]
pub mod logging;

#[cfg(doc)]
#[doc = include_str!("../docs/connecting.md")]
pub mod connecting {}

#[cfg(doc)]
#[doc = include_str!("../docs/access.md")]
pub mod access {}

#[cfg(doc)]
#[doc = include_str!("../docs/python.md")]
pub mod python {}

#[cfg(doc)]
#[doc = include_str!("../docs/values.md")]
pub mod values {}

#[cfg(doc)]
#[doc = include_str!("../docs/holding.md")]
pub mod holding {}

#[cfg(doc)]
#[doc = include_str!("../docs/fencing.md")]
pub mod fencing {}

#[cfg(doc)]
#[doc = include_str!("../docs/roadmap.md")]
pub mod roadmap {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
