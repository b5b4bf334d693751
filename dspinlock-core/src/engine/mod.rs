//! One lock's life, from the first attempt to the last confirmation. It knows locks by their [`Spec`](spec::Spec), and
//! clients only as the [`Core`](core::Core) that their clones share.

pub(crate) mod attempt;
pub(crate) mod core;
pub(crate) mod fallback;
pub(crate) mod flight;
pub(crate) mod grant;
pub(crate) mod guard;
pub(crate) mod hold;
pub(crate) mod lease;
pub(crate) mod memo;
pub(crate) mod pending;
pub(crate) mod queue;
pub(crate) mod renewer;
pub(crate) mod scope;
pub(crate) mod spec;
pub(crate) mod spin;
pub(crate) mod unshared;
pub(crate) mod waits;
