//! Where the client can be used, over what, and what becomes of it when the other end goes away.

mod brought;
mod environment;
mod faults;
mod pool;
mod runtimes;
mod scopes;
