//! The values that can't be shared, kept in mind for a while, so that no caller waits for what it won't be given.

use crate::clock::Tick;
use crate::format::envelope::Label;
use crate::format::note::Reach;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a value that can't be shared is thought to stay so. Then one caller tries again.
pub(crate) const RETRY: Duration = Duration::from_secs(10);

/// How many are kept in mind at the most.
const NUMBER: usize = 1_000;

/// The values of one client that can't be shared.
#[derive(Default)]
pub(crate) struct Unshared {
    values: Mutex<HashMap<String, Value>>,
    told: Mutex<HashSet<(&'static str, String)>>,
}

struct Value {
    label: Label,
    reach: Reach,
    /// Whether it was the server that did not take the value.
    refused: bool,
    until: Tick,
}

impl Unshared {
    fn values(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        // Inserting and removing leave the map whole.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps in mind that the value beside this record can't be shared any further.
    pub(crate) fn add(&self, record: &str, label: &Label, reach: Reach, refused: bool, now: Tick) {
        let mut values = self.values();
        if values.len() >= NUMBER {
            values.retain(|_, value| now < value.until);
        }
        if values.len() < NUMBER || values.contains_key(record) {
            values.insert(
                record.to_owned(),
                Value { label: label.clone(), reach, refused, until: now + RETRY },
            );
        }
    }

    /// Whether a caller is to go without the lock, since the value beside this record is known to reach no further. From
    /// time to time one is not, to see whether that is still so.
    pub(crate) fn is_known(&self, record: &str, label: &Label, reach: Reach, now: Tick) -> bool {
        let mut values = self.values();
        let Some(value) = values.get_mut(record) else { return false };
        if value.label != *label || value.reach != reach {
            return false;
        }
        let known = now < value.until;
        if !known {
            value.until = now + RETRY;
        }
        known
    }

    /// The value beside this record can be encoded after all: the next caller is to store it, unless the server refuses that.
    pub(crate) fn can_be_stored(&self, record: &str) {
        let mut values = self.values();
        if values.get(record).is_some_and(|value| !value.refused) {
            values.remove(record);
        }
    }

    /// Forgets about the value beside this record.
    pub(crate) fn remove(&self, record: &str) {
        self.values().remove(record);
    }

    /// Whether it is the first time that this is said of the values of `function`, or where that is not known of `label`.
    pub(crate) fn is_news(&self, what: &'static str, function: Option<&str>, label: Option<&Label>) -> bool {
        let of = function.or(label.map(|label| &*label.schema)).unwrap_or_default();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert((what, of.to_owned()))
    }
}

impl fmt::Debug for Unshared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unshared").field("values", &self.values().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::key::Key;

    const T0: Tick = Tick::from_millis(1_000);

    fn label(schema: &'static str) -> Label {
        Label::new("json", schema, &Key::new("k"))
    }

    #[test]
    fn one_caller_tries_again_when_the_time_is_over() {
        let (unshared, label) = (Unshared::default(), label("a"));
        let known = |now| unshared.is_known("r", &label, Reach::Caller, now);
        assert!(!known(T0));
        unshared.add("r", &label, Reach::Caller, false, T0);
        assert!(known(T0) && known(T0 + RETRY / 2));
        assert!(!known(T0 + RETRY));
        assert!(known(T0 + RETRY), "the others go on");
        assert!(!known(T0 + 2 * RETRY));
        unshared.remove("r");
        assert!(!known(T0));
    }

    #[test]
    fn what_the_server_refuses_is_not_tried_again_before_its_time() {
        let (unshared, label) = (Unshared::default(), label("a"));
        for refused in [true, false] {
            unshared.add("r", &label, Reach::Process, refused, T0);
            unshared.can_be_stored("r");
            assert_eq!(unshared.is_known("r", &label, Reach::Process, T0), refused);
        }
    }

    #[test]
    fn is_known_of_its_own_value_alone() {
        let unshared = Unshared::default();
        unshared.add("r", &label("a"), Reach::Process, false, T0);
        assert!(unshared.is_known("r", &label("a"), Reach::Process, T0));
        assert!(!unshared.is_known("r", &label("a"), Reach::Caller, T0));
        assert!(!unshared.is_known("r", &label("b"), Reach::Process, T0));
        assert!(!unshared.is_known("other", &label("a"), Reach::Process, T0));
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let (unshared, label) = (Unshared::default(), label("a"));
        for i in 0..2 * NUMBER {
            unshared.add(&i.to_string(), &label, Reach::Caller, false, T0);
        }
        assert_eq!(unshared.values().len(), NUMBER);
        unshared.add("later", &label, Reach::Caller, false, T0 + RETRY);
        assert_eq!(unshared.values().len(), 1, "those whose time is over make room");
    }

    #[test]
    fn it_is_news_once_for_each_function() {
        let (unshared, label) = (Unshared::default(), label("a"));
        let news = |function| unshared.is_news("too large", function, Some(&label));
        assert!(news(Some("f")) && news(Some("g")) && news(None));
        assert!(!news(Some("f")) && !news(Some("g")) && !news(None));
        assert!(unshared.is_news("not written", Some("f"), Some(&label)));
    }
}
