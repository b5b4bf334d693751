//! Where the client can be used, over what, and what becomes of it when the other end goes away.

mod advice;
mod brought;
mod environment;
mod faults;
mod logging;
mod outages;
mod pool;
mod replicas;
mod runtimes;
mod scopes;
mod settings;
mod word;
