//! Where users run it: more than one server, and servers that change.

mod cluster;
mod sentinel;
