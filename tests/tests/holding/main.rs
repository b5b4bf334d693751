//! Holding a lock while things go wrong: renewal, loss, cancellation, shutdown, and replies that never come.

mod aborts;
mod exits;
mod giving_back;
mod losing;
mod processes;
mod renewal;
mod replies;
mod shutdowns;
