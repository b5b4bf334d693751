//! Clients: where they can be used, over which connections, and what happens when the server goes away.

mod addresses;
mod advice;
mod brought;
mod changes;
mod environment;
mod faults;
mod logging;
mod outages;
mod own_runtimes;
mod pool;
mod replicas;
mod runtimes;
mod scopes;
mod settings;
mod tracking;
