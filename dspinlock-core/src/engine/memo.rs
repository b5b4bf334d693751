//! The names and labels of recent calls. Deriving them costs more than the rest of a hit on a local copy.

use crate::engine::spec::Spec;
use crate::format::envelope::Label;
use crate::format::key::Key;
use crate::format::scheme::Scheme;
use crate::options::{Caching, Options};
use quick_cache::sync::Cache;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// How many calls are remembered.
const CAPACITY: usize = 10_000;

/// The longest canonical key of a call that is remembered, in bytes.
const LONGEST_KEY: usize = 1024;

/// All that the names of a lock and the label of its value are derived from.
#[derive(Clone, PartialEq)]
pub(crate) struct Identity {
    /// The address of the function's site, which is static.
    pub(crate) site: usize,
    pub(crate) closure: Option<&'static str>,
    pub(crate) qualifiers: Vec<Cow<'static, str>>,
    pub(crate) namespace: Option<String>,
    pub(crate) schema: Option<&'static str>,
    pub(crate) kind: Option<(&'static str, &'static str)>,
    pub(crate) options: Options,
    pub(crate) caching: Caching,
    pub(crate) scheme: Same<Arc<dyn Scheme>>,
    pub(crate) key: Key,
}

/// Compares by address. That is unique, since a value that is kept here is not freed.
#[derive(Clone)]
pub(crate) struct Same<P>(pub(crate) P);

impl<P: Deref> PartialEq for Same<P> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(&raw const *self.0, &raw const *other.0)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Calls of one function with one key rarely differ in the rest.
        self.site.hash(state);
        self.key.hash(state);
    }
}

/// The lock and the label that were derived for a call.
pub(crate) struct Derived {
    pub(crate) spec: Arc<Spec>,
    pub(crate) label: Option<Label>,
}

/// The recent calls on one client.
pub(crate) struct Memo(Cache<Identity, Arc<Derived>>);

impl Default for Memo {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Memo {
    pub(crate) fn get(&self, call: &Identity) -> Option<Arc<Derived>> {
        self.0.get(call)
    }

    pub(crate) fn keep(&self, call: Identity, derived: Arc<Derived>) {
        if call.key.canonical().len() <= LONGEST_KEY {
            self.0.insert(call, derived);
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("calls", &self.0.len()).finish()
    }
}
