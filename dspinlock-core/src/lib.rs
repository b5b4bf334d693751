//! The lock engine of [`dspinlock`](https://docs.rs/dspinlock). Use it through that crate.
//!
//! The crate is laid out in floors. Imports run downwards only; `scripts/floors` checks that.
//!
//! | floor | what is there |
//! | --- | --- |
//! | `attribute` | what the code that `#[dspinlock]` generates calls |
//! | `api` | what users hold: clients, locks, entries, inspections |
//! | `value` | one caller computes, all get it: codecs, requests for a value, the computation |
//! | `engine` | one lock's life: the spin, attempts, the local queue, flights, grants, guards, the watchdog |
//! | `store` | the atomic operations, on Redis and in memory; wake-ups and local copies |
//! | `format` | what is stored in Redis: keys, names, records, values, notes |
//! | `error`, `clock`, `observe`, `options`, `worker`, `timers`, `drops`, `sync` | the ground |
//!
//! `checks` has what tests the floors together: the model, the conformance suite, random input.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod attribute;
#[cfg(test)]
mod checks;
mod clock;
mod drops;
mod engine;
mod error;
mod format;
mod host;
mod observe;
mod options;
mod store;
mod sync;
mod timers;
mod value;
mod worker;

#[doc(hidden)]
pub mod __private {
    pub use crate::attribute::*;
}
pub use api::acquire::Entry;
pub use api::client::Client;
pub use api::config::{Config, Protocol, Tls, Wakeup};
pub use api::entry::CachedEntry;
pub use api::global::{current_client, init, shutdown, shutdown_blocking};
pub use api::inspect::{Inspection, RecordInfo};
pub use api::lock::DSpinlock;
#[cfg(feature = "redis")]
pub use api::redis_1;
pub use api::testing;
#[cfg(feature = "redis")]
#[doc(hidden)]
pub use api::tools;
pub use engine::guard::Guard;
pub use engine::handle::LockHandle;
pub use error::{Error, ErrorKind, Result};
pub use format::key::{Key, KeyEncoder, LockKey};
pub use format::record::State;
pub use format::scheme::{Scheme, Turn};
pub use options::{OnOutage, Options};
#[cfg(feature = "redis")]
pub use store::redis::Script;
#[cfg(feature = "msgpack")]
pub use value::codec::MessagePack;
pub use value::codec::{Codec, Json};

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    /// Every public type can be shown, and shared between threads; every public future can be spawned.
    #[test]
    fn public_types_are_send_sync_and_debug() {
        fn shared<T: Debug + Send + Sync + Unpin + 'static>() {}
        fn sent(_: impl Send) {}
        shared::<(Client, Config, Protocol, Tls, Wakeup, DSpinlock, Entry, Options, OnOutage)>();
        shared::<(CachedEntry<Result<u8>>, Inspection, RecordInfo, State)>();
        shared::<(Guard, LockHandle, Error, ErrorKind)>();
        shared::<(testing::Sandbox, testing::Fault)>();
        shared::<(Key, Turn, Box<dyn Scheme>, Json)>();

        let client = Client::memory();
        let lock = client.lock("key");
        sent((
            client.ping(),
            lock.acquire(),
            lock.try_acquire(),
            lock.enter(),
            lock.inspect(),
            lock.forget(),
        ));
        sent((lock.get_or_compute(async || Ok::<u8, Error>(1)), client.shutdown(std::time::Duration::ZERO)));
    }
}
