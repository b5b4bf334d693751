//! Redis and Valkey: each request is one script or one command.
//!
//! | file | what is there |
//! | --- | --- |
//! | `requests`, `replies`, `scripts` | the words of Redis, without I/O |
//! | `link` | what a connection must do |
//! | `dial`, `connect` | opens connections, and says which are still good |
//! | `sentinels` | the primary that sentinels know |
//! | `tls` | opens them over TLS |
//! | `own` with `shared`, `runtimes`, `pool` | connections of the library: for its own thread, for async and for blocking callers |
//! | `borrowed` | connections that users bring |
//! | `delivery` | what a server is sent until it knows a script, without I/O |
//! | `server` | sends batches: outages, errors |
//! | `pieces` | large values |
//! | `contact` | a server that a tool asks anything |
//! | `one` | a server as a backend: requests, their replies, its clock |
//! | `cluster` | the nodes of a cluster, each a server as above |

mod advice;
mod borrowed;
mod circuit;
mod cluster;
mod connect;
mod contact;
mod delivery;
mod dial;
mod link;
mod one;
mod own;
mod pieces;
mod pool;
mod refusal;
mod replies;
mod requests;
mod runtimes;
mod scripts;
mod sentinels;
mod server;
mod shared;
mod tls;

use crate::store::{Store, Wakeups};
use crate::worker::Worker;
use cluster::Cluster;
use one::Redis;
use server::Server;

pub(crate) use borrowed::{AsyncLink, BlockingLink};
pub(crate) use cluster::Origin;
pub(crate) use contact::{Contact, Contacts};
pub(crate) use dial::Dialer;
pub(crate) use link::{Limits, Link};
pub(crate) use own::Own;
pub use scripts::Script;
pub(crate) use sentinels::{Sentinels, Watch};
pub(crate) use server::Peer;
pub(crate) use tls::{Tls, TlsParts, provide};

/// A store at the other end of `link`, whose pushes arrive at `wakeups`.
pub(crate) fn store(
    link: impl Link,
    worker: Worker,
    limits: Limits,
    peer: Peer<'_>,
    wakeups: Wakeups,
) -> Store {
    let server = Server::new(link, worker, limits, peer, wakeups.clone());
    Store::new(Redis::new(server), wakeups)
}

/// A store on the nodes of a cluster.
pub(crate) fn cluster(origin: Origin) -> Store {
    let wakeups = origin.wakeups.clone();
    Store::new(Cluster::new(origin), wakeups)
}
