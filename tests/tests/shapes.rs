//! Every shape of function that the attribute accepts, compiled and run on a memory store.
//!
//! All are compiled under the lints of the workspace, which the generated code must pass.

#[path = "shapes/async_traits.rs"]
mod async_traits;
#[path = "shapes/asynchronous.rs"]
mod asynchronous;
#[path = "shapes/blocking.rs"]
mod blocking;
#[path = "shapes/futures.rs"]
mod futures;
#[path = "shapes/generics.rs"]
mod generics;
#[path = "shapes/hygiene.rs"]
mod hygiene;
#[path = "shapes/methods.rs"]
mod methods;
#[path = "shapes/modes.rs"]
mod modes;
#[path = "shapes/namespaces.rs"]
mod namespaces;
#[path = "shapes/panics.rs"]
mod panics;
#[path = "shapes/placement.rs"]
mod placement;
#[path = "shapes/support.rs"]
mod support;
#[path = "shapes/values.rs"]
mod values;
