//! What tests, examples and tools of `dspinlock` need around a lock: a real server of their own, a way to ask it things
//! that shares no code with the library under test, and a wire that can go wrong.
//!
//! - [`Server`] starts a private `redis-server` or `valkey-server` and ends it when dropped. A missing binary is an
//!   error that says so; no test passes for want of a server.
//! - [`Connection`] and [`Reply`] speak just enough of the protocol for `SET`, `LPUSH` or `INFO`.
//! - [`Child`] is a process that is spoken to by lines, and stopped, continued and ended.
//! - [`svg`] draws the pictures of the tools.
//! - [`Proxy`] stands between a client and a server and delays, holds back, slows down, cuts or rewrites what
//!   passes.

mod child;
mod info;
mod process;
mod proxy;
mod request;
mod resp;
mod server;
pub mod svg;

pub use child::{Child, Ended, this_program};
pub use info::is_for_connecting;
pub use proxy::{Direction, Proxy, Verdict};
pub use resp::{Connection, Reply};
pub use server::{Server, StartError};
