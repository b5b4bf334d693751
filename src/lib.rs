//! One attribute makes a function run once across a fleet: every process that calls it with the same key waits, or is
//! turned away, while another one works, or is handed what that one has computed. The lock stands in Redis or Valkey, and
//! is shared with Python's `py-dspinlock`.
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
//! // Once, at the start of `main`; without it the client comes from `DSPINLOCK_URL`, or is `redis://127.0.0.1:6379/0`.
//! dspinlock::init(Client::memory())?;
//! rebuild_report(17)?;
//! # Ok::<(), dspinlock::Error>(())
//! ```
//!
//! | you want | look at |
//! | --- | --- |
//! | to annotate a function | [`#[dspinlock]`](macro@dspinlock): modes, arguments, what it refuses |
//! | to lock in code | [`DSpinlock`], [`Client::lock`], [`Guard`] |
//! | to choose the server, or bring a connection | [`Client`], [`Config`], [`init`], [`redis_1`] |
//! | to lock your own types | [`LockKey`] and its derive |
//! | to test annotated functions without a server | [`testing`], [`Client::memory`] |
//! | names other than py-dspinlock's | [`Scheme`] |
//! | to share locks with Python | [`python`] |
//! | to look at a cached value, or forget it | [`CachedEntry`] |
//! | to know what a holder is told, and what happens in an outage | [`holding`] |
//! | to know what `cached` keeps in Redis | [`values`] |
//! | to have a resource refuse the late write of an earlier holder | [`fencing`] |
//! | to see what it does | `tracing` events of the target `dspinlock`; [`logging`] |
//!
//! # What a lock on Redis can promise
//!
//! It makes it *very unlikely* that two processes work at once, and tells a holder that has lost its lock. It can't make it
//! impossible: a process can be paused at any point for longer than its lease, and a server that fails over can forget the
//! newest records. Where two at once would do damage, give the [fencing token](LockHandle::fencing_token) to the resource
//! and let it refuse lower ones.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use dspinlock_core::{
    CachedEntry, Client, Codec, Config, DSpinlock, Entry, Error, ErrorKind, Guard, Inspection, Json, Key,
    KeyEncoder, LockHandle, LockKey, OnOutage, Options, RecordInfo, Result, Scheme, State, Turn, Wakeup,
    current_client, init, shutdown, shutdown_blocking, testing,
};

#[cfg(feature = "msgpack")]
pub use dspinlock_core::MessagePack;
#[cfg(feature = "redis")]
pub use dspinlock_core::redis_1;

#[cfg(feature = "macros")]
pub use dspinlock_macros::{LockKey, dspinlock};

#[doc(hidden)]
pub use dspinlock_core::__private;

#[cfg(feature = "logging")]
pub mod logging;

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
