//! What was computed, shared: how a value is encoded and stored, and how the callers of one process share one attempt.

mod caching;
mod codec;
mod compute;
mod copies;
mod door;
mod entry;
mod envelope;
pub(crate) mod failure;
mod flight;
mod following;
#[cfg(test)]
mod fuzz;
mod outer;
mod print;
mod reading;
mod shared;
mod sharing;
mod unshared;

pub(crate) use caching::Caching;
#[cfg(feature = "msgpack")]
pub use codec::MessagePack;
pub use codec::{Codec, Json};
pub(crate) use compute::Terms;
pub(crate) use copies::{Copies, LocalCopy};
pub use entry::{CachedEntry, StoredEntry};
pub(crate) use envelope::Label;
pub use envelope::Payload;
pub(crate) use failure::{Failure, Note};
pub(crate) use flight::{Flights, Follower, Join, Landing, Lead};
pub(crate) use reading::complete;
pub(crate) use shared::{Start, Verdict, Wish};
pub use sharing::{CachedValue, Counted, InOk, Nothing, Sharing, Whole};
pub(crate) use unshared::{Reach, Unshared};
