//! Support for the tests, examples and tools of `dspinlock`: private servers, raw commands that share no code with the library
//! under test, and a proxy with faults.
//!
//! - [`Server`] starts a private `redis-server` or `valkey-server` and ends it when dropped. A missing binary is an
//!   error that says so: no test passes because a server is missing.
//! - [`Cluster`] starts a private cluster, moves its slots and fails its primaries.
//! - [`Sentinels`] are three sentinels that watch a primary with a replica.
//! - With the feature `tls`, `TlsServer` is one that speaks TLS, and `Authority` makes its certificates.
//! - [`Connection`] and [`Reply`] speak just enough of the protocol for `SET`, `LPUSH` or `INFO`.
//! - [`Child`] is a child process that reads and writes lines, and can be stopped, continued and killed.
//! - [`Place`] is the server at which the processes of an example meet, and [`clock`] the clock that they share.
//! - [`svg`] draws the pictures of the tools.
//! - [`Proxy`] stands between a client and a server and delays, holds back, slows down, cuts or rewrites what
//!   passes.

mod child;
pub mod clock;
mod cluster;
mod info;
mod place;
mod process;
mod proxy;
mod request;
mod resp;
mod sentinels;
mod server;
pub mod svg;
#[cfg(feature = "tls")]
mod tls;

pub use child::{Child, Ended, this_program};
pub use cluster::{Cluster, Migration};
pub use info::is_for_connecting;
pub use place::Place;
pub use proxy::{Direction, Proxy, Verdict};
pub use resp::{Connection, Reply};
pub use sentinels::{Sentinels, Switches};
pub use server::{Server, StartError};
#[cfg(feature = "tls")]
pub use tls::{Authority, Identity, TlsServer};
