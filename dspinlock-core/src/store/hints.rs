//! Where this process has seen values last: there a plain look comes first, and elsewhere the request for the lock, which
//! shows a value as well.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

/// How many there are. Records share them: a hint that is wrong costs a look.
const NUMBER: u64 = 4096;

pub(crate) struct Hints(Box<[AtomicBool]>);

impl Default for Hints {
    fn default() -> Self {
        Self((0..NUMBER).map(|_| AtomicBool::new(false)).collect())
    }
}

impl Hints {
    fn of(&self, record: &str) -> Option<&AtomicBool> {
        let mut hasher = DefaultHasher::new();
        record.hash(&mut hasher);
        self.0.get(usize::try_from(hasher.finish() % NUMBER).ok()?)
    }

    /// Whether a value is likely to stand beside this record.
    pub(crate) fn has_value(&self, record: &str) -> bool {
        self.of(record).is_some_and(|hint| hint.load(Ordering::Relaxed))
    }

    pub(crate) fn note(&self, record: &str, has_value: bool) {
        if let Some(hint) = self.of(record) {
            hint.store(has_value, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").finish_non_exhaustive()
    }
}
