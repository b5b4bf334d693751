//! The lock engine behind [`dspinlock`](https://docs.rs/dspinlock): use it through that crate.
//!
//! | room | what is there |
//! | --- | --- |
//! | `key`, `record`, `scheme`, `options`, `spin`, `lease` | pure: what a lock is called, what its record says, what to do next |
//! | `store` | the atomic operations, on Redis and in memory, and word of changes |
//! | `value` | what was computed: encoded, shared, fetched, copied |
//! | `attempt`, `line`, `stand_back`, `hold`, `guard`, `renewer`, `pending`, `worker` | one caller's way in, the local queue, turns between processes, what it holds, the watchdog, lost replies, the library's thread |
//! | `loss`, `outage` | what becomes of a body whose lock is lost, or can't be had |
//! | `client`, `lock`, `spec`, `inspect`, `scope` | what users hold, and what is in force where they are |
//! | `attribute` | what the code that `#[dspinlock]` generates calls |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempt;
mod attribute;
mod client;
mod clock;
mod drops;
mod error;
mod guard;
mod hold;
mod inspect;
mod key;
mod lease;
mod line;
mod lock;
mod loss;
#[cfg(test)]
mod model;
mod options;
mod outage;
mod owner;
mod pending;
mod record;
mod renewer;
mod scheme;
mod scope;
mod spec;
mod spin;
mod stand_back;
mod store;
mod value;
mod waits;
mod worker;

#[doc(hidden)]
pub mod __private {
    pub use crate::attribute::*;
}
#[cfg(feature = "redis")]
pub use client::redis_1;
pub use client::{Client, Config, Wakeup, client, init, shutdown, shutdown_blocking, testing};
pub use error::{Error, ErrorKind, Result};
pub use guard::{Guard, LockHandle};
pub use inspect::{Inspection, RecordInfo};
pub use key::{Key, KeyEncoder, LockKey};
pub use lock::{DSpinlock, Entry};
pub use options::{MAX_DURATION, Options};
pub use outage::OnOutage;
pub use record::State;
pub use scheme::{Scheme, Turn};
#[cfg(feature = "msgpack")]
pub use value::MessagePack;
pub use value::{CachedEntry, Codec, Json, StoredEntry};
