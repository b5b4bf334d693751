//! What this process has seen of values: whether one stood beside a record, and how large it was. A caller reads plainly where
//! it expects a value, and in pieces where it expects a large one. Elsewhere it asks for the lock at once, which shows a value
//! as well.
//!
//! A wrong hint costs a read.

use crate::store::operations::Extent;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU8, Ordering};

/// The number of hints about records, and about schemas. Records and schemas share them.
const NUMBERS: [usize; 2] = [4096, 256];

/// The largest value that is read at once.
const LARGEST: usize = 1 << 20;

/// A large value is read at once again when it has become this small. Between the two, what was read last decides: a value
/// that could not be read at once is not tried so each time.
const SMALL: usize = 64 << 10;

const UNSEEN: u8 = 0;
const NONE: u8 = 1;
/// From here on: the number of binary digits of the value's length.
const SIZES: u8 = 2;

pub(crate) struct Hints {
    records: Box<[AtomicU8]>,
    schemas: Box<[AtomicU8]>,
}

impl Default for Hints {
    fn default() -> Self {
        let [records, schemas] = NUMBERS.map(|number| (0..number).map(|_| AtomicU8::new(UNSEEN)).collect());
        Self { records, schemas }
    }
}

impl Hints {
    /// The hint about the value of this schema beside this record.
    pub(crate) fn of<'a>(&'a self, record: &str, schema: &'a str) -> Hint<'a> {
        Hint { record: slot(&self.records, record), schemas: &self.schemas, schema }
    }
}

fn slot<'a>(slots: &'a [AtomicU8], text: &str) -> &'a AtomicU8 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let number = hasher.finish() % slots.len() as u64;
    // It is below the number of slots.
    &slots[usize::try_from(number).unwrap_or_default()]
}

/// What is known of one value.
#[derive(Clone, Copy)]
pub(crate) struct Hint<'a> {
    record: &'a AtomicU8,
    schemas: &'a [AtomicU8],
    schema: &'a str,
}

impl Hint<'_> {
    /// How to read the value; `None` if there is likely none. Of a record that was not seen yet, the last one of the same
    /// schema says so.
    pub(crate) fn extent(self) -> Option<Extent> {
        let seen = match self.record.load(Ordering::Relaxed) {
            UNSEEN => slot(self.schemas, self.schema).load(Ordering::Relaxed),
            seen => seen,
        };
        extent(seen)
    }

    /// The same, if the value beside this very record was seen.
    pub(crate) fn seen_extent(self) -> Option<Extent> {
        extent(self.record.load(Ordering::Relaxed))
    }

    /// Notes the length of the value that was seen, or that there was none.
    pub(crate) fn note(self, length: Option<usize>) {
        let before = self.record.load(Ordering::Relaxed);
        let seen = after(before, length);
        if before == UNSEEN {
            slot(self.schemas, self.schema).store(seen, Ordering::Relaxed);
        }
        if before != seen {
            self.record.store(seen, Ordering::Relaxed);
        }
    }

    /// Notes that a value could not be read at once, in this extent.
    pub(crate) fn failed(self, extent: Extent) {
        if matches!(extent, Extent::Whole(length) if length > SMALL) {
            self.note(Some(usize::MAX));
        }
    }
}

fn extent(seen: u8) -> Option<Extent> {
    let digits = seen.checked_sub(SIZES)?;
    let most = 1_usize.checked_shl(digits.into()).filter(|&most| most <= LARGEST);
    Some(most.map_or(Extent::Beginning, Extent::Whole))
}

fn after(before: u8, length: Option<usize>) -> u8 {
    let Some(length) = length else { return NONE };
    if extent(before) == Some(Extent::Beginning) && length > SMALL {
        return before;
    }
    let digits = usize::BITS - length.leading_zeros();
    u8::try_from(digits).map_or(u8::MAX, |digits| digits + SIZES)
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn a_value_is_read_as_its_size_was_seen() {
        let hints = Hints::default();
        let hint = hints.of("record", "schema");
        for (length, expected) in [
            (None, None),
            (Some(0), Some(Extent::Whole(1))),
            (Some(1_000), Some(Extent::Whole(1_024))),
            (Some(MB - 1), Some(Extent::Whole(MB))),
            (Some(MB), Some(Extent::Beginning)),
            (Some(MB - 1), Some(Extent::Beginning)),
            (Some(SMALL), Some(Extent::Whole(2 * SMALL))),
            (Some(usize::MAX), Some(Extent::Beginning)),
            (None, None),
        ] {
            hint.note(length);
            assert_eq!(hint.extent(), expected, "{length:?}");
        }
    }

    #[test]
    fn the_last_unseen_record_of_a_schema_speaks_for_the_next() {
        let hints = Hints::default();
        let of = |record| hints.of(record, "schema");
        assert_eq!(of("a").extent(), None);
        of("a").note(Some(100));
        assert_eq!(of("b").extent(), Some(Extent::Whole(128)));
        assert_eq!(of("b").seen_extent(), None);
        assert_eq!(hints.of("b", "another schema").extent(), None);
        // A record that was seen before says nothing about others.
        of("a").note(None);
        assert_eq!(of("b").extent(), Some(Extent::Whole(128)));
        of("b").note(None);
        assert_eq!(of("c").extent(), None);
    }

    #[test]
    fn a_value_that_could_not_be_read_at_once_is_read_in_pieces() {
        let hints = Hints::default();
        let hint = hints.of("record", "schema");
        for (length, after) in [(1_000, Extent::Whole(1_024)), (MB / 2, Extent::Beginning)] {
            hint.note(Some(length));
            hint.failed(hint.extent().unwrap());
            assert_eq!(hint.extent(), Some(after), "{length}");
        }
        hint.failed(Extent::Beginning);
        hint.note(Some(MB / 2));
        assert_eq!(hint.extent(), Some(Extent::Beginning));
    }
}
