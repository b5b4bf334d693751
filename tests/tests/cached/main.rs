//! The values of `cached`, on both stores. Clients share nothing but the server, as processes do.

mod beside_locks;
mod closures;
mod companions;
mod cycles;
mod errors;
mod flights;
mod freshness;
mod in_code;
mod in_pieces;
mod kept;
mod local;
mod loss;
mod misses;
mod namespaces;
mod one_thread;
mod places;
mod reading_back;
mod sizes;
mod support;
mod unshared;
mod weights;
