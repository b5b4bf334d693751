//! Records that this process has seen with a value: a caller first tries a plain read there. For others it asks for the lock at
//! once, which shows a value as well.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of hints. Records share them: a wrong hint costs a read.
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
