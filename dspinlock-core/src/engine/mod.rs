//! One lock's life, from the first attempt to the last confirmation. The engine knows a lock by its
//! [`Spec`](spec::Spec), and a client only by the [`Core`](core::Core) that its clones share.

pub(crate) mod attempt;
pub(crate) mod core;
pub(crate) mod ending;
pub(crate) mod fallback;
pub(crate) mod flight;
pub(crate) mod grant;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod hold;
pub(crate) mod lease;
pub(crate) mod pending;
pub(crate) mod probe;
pub(crate) mod queue;
pub(crate) mod renewer;
pub(crate) mod scope;
pub(crate) mod spec;
pub(crate) mod spin;
pub(crate) mod trouble;
pub(crate) mod unshared;
pub(crate) mod waits;
