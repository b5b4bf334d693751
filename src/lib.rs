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
//! | start | [getting started](guide::getting_started), [which mode](guide::modes), [recipes](guide::recipes) |
//! | annotate a function | [`#[dspinlock]`](macro@dspinlock), and a [page for each argument](guide::arguments) |
//! | lock in code | [`Client::lock`], [`DSpinlock`], [`Guard`] |
//! | choose the server: TLS, Sentinel, Cluster | [connecting](guide::connecting), [`Client`], [`Config`], [`init`] |
//! | fail at the start if the server is not there | [`Client::ping`], [`Client::ping_blocking`]: [`Client::connect`] and [`init`] connect to nothing |
//! | connect over a unix socket | `redis+unix:///run/redis.sock`, in [`Client::connect`] or `DSPINLOCK_URL` |
//! | bring a connection | [`redis_1`] |
//! | give back all locks when the process ends | [`shutdown`], [`Client::shutdown`] |
//! | know what an error means, and its HTTP status | [`Error`], [`ErrorKind`] |
//! | lock your own types | [`LockKey`] and its derive |
//! | test annotated functions without a server | [`testing`], [`Client::memory`] |
//! | read or forget a cached value | [`CachedEntry`] |
//! | use other names than py-dspinlock's | [`Scheme`] |
//! | measure locks and cached calls | [metrics](guide::metrics) |
//! | see what the library does | `tracing` events with the target `dspinlock`; [`logging`] |
//! | read everything else | [the guide](guide) |
//!
//! # Features
//!
//! | feature | default | brings |
//! | --- | --- | --- |
//! | `redis` | yes | the store on Redis and Valkey; without it there is the one in memory |
//! | `macros` | yes | [`#[dspinlock]`](macro@dspinlock) and `#[derive(LockKey)]` |
//! | `tls-ring`, `tls-aws-lc` | no | TLS, with the cryptography of `ring` or of AWS-LC; with both, AWS-LC is taken |
//! | `tls` | no | TLS, with a provider of `rustls` that the program installs |
//! | `msgpack` | no | [`MessagePack`], a codec for cached values |
//! | `chrono`, `jiff`, `time`, `uuid` | no | their types as keys |
//! | `metrics`, `opentelemetry` | no | [measurements](guide::metrics), for the recorder of `metrics` or the meter provider of OpenTelemetry |
//! | `logging` | no | [`logging::init`], for programs without a subscriber |
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
/// What the command line needs beyond the public API. It may change with any version.
#[cfg(feature = "redis")]
#[doc(hidden)]
pub use dspinlock_core::tools as __tools;

#[cfg(feature = "logging")]
pub mod logging;

#[cfg(doc)]
pub mod guide;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
