//! What recent calls have come to, so that a hit from a local copy derives no names: those take longer than the rest of it.

use super::site::Site;
use crate::key::Key;
use crate::options::Options;
use crate::scheme::Scheme;
use crate::spec::Spec;
use crate::value::{Caching, Label};
use quick_cache::sync::Cache;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// How many calls are remembered.
const NUMBER: usize = 10_000;

/// The longest canonical key that is worth keeping.
const LONGEST_KEY: usize = 1024;

/// All that the names of a call's lock and the label of its value follow from.
#[derive(Clone, PartialEq)]
pub(super) struct Identity {
    pub(super) site: Same<&'static Site>,
    pub(super) closure: Option<&'static str>,
    pub(super) qualifiers: Vec<Cow<'static, str>>,
    pub(super) namespace: Option<String>,
    pub(super) schema: Option<&'static str>,
    pub(super) kind: Option<(&'static str, &'static str)>,
    pub(super) options: Options,
    pub(super) caching: Caching,
    pub(super) scheme: Same<Arc<dyn Scheme>>,
    pub(super) key: Key,
}

/// The same if it stands at the same address, which is nobody else's as long as it is kept here.
#[derive(Clone)]
pub(super) struct Same<P>(pub(super) P);

impl<P: Deref> PartialEq for Same<P> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(&raw const *self.0, &raw const *other.0)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Calls of one function and key that differ in the rest are rare.
        std::ptr::from_ref(self.site.0).addr().hash(state);
        self.key.hash(state);
    }
}

/// What a call comes to.
pub(super) struct Known {
    pub(super) spec: Arc<Spec>,
    pub(super) label: Option<Label>,
}

/// The recent calls on one client.
pub(crate) struct Memo(Cache<Identity, Arc<Known>>);

impl Default for Memo {
    fn default() -> Self {
        Self(Cache::new(NUMBER))
    }
}

impl Memo {
    pub(super) fn get(&self, call: &Identity) -> Option<Arc<Known>> {
        self.0.get(call)
    }

    pub(super) fn keep(&self, call: Identity, known: Arc<Known>) {
        if call.key.canonical().len() <= LONGEST_KEY {
            self.0.insert(call, known);
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("calls", &self.0.len()).finish()
    }
}
