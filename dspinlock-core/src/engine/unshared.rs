//! Remembers for a while which values can't be shared, so that no caller waits for a value that it won't get.

use crate::clock::Tick;
use crate::format::envelope::Label;
use crate::format::note::Reach;
use crate::sync::lock;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// How long a value counts as one that can't be shared. Then one caller tries again.
pub(crate) const RETRY: Duration = Duration::from_secs(10);

/// The most values that are remembered.
const NUMBER: usize = 1_000;

/// The values of one client that can't be shared.
#[derive(Default)]
pub(crate) struct Unshared {
    values: Mutex<HashMap<String, Value>>,
    /// The warnings that were logged, each with the function or schema that it was about.
    warned: Mutex<HashSet<(&'static str, String)>>,
}

struct Value {
    label: Label,
    reach: Reach,
    /// Whether the server refused the value.
    refused: bool,
    until: Tick,
}

impl Unshared {
    /// Remembers that the value beside this record can't be shared any further.
    pub(crate) fn add(&self, record: &str, label: &Label, reach: Reach, refused: bool, now: Tick) {
        let mut values = lock(&self.values);
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

    /// Whether a caller goes without the lock, since the value beside this record is known to reach no further. When the
    /// time is over, the first caller gets `false`, and finds out whether that is still so.
    pub(crate) fn is_known(&self, record: &str, label: &Label, reach: Reach, now: Tick) -> bool {
        let mut values = lock(&self.values);
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

    /// Notes that the value beside this record can be encoded after all: the next caller tries to store it, unless the
    /// server refused the value.
    pub(crate) fn can_be_stored(&self, record: &str) {
        let mut values = lock(&self.values);
        if values.get(record).is_some_and(|value| !value.refused) {
            values.remove(record);
        }
    }

    /// Forgets the value beside this record.
    pub(crate) fn remove(&self, record: &str) {
        lock(&self.values).remove(record);
    }

    /// Whether this is the first time that this warning is logged for the values of `function`, or of `label` if the
    /// function is not known.
    pub(crate) fn is_news(&self, what: &'static str, function: Option<&str>, label: Option<&Label>) -> bool {
        let of = function.or(label.map(|label| &*label.schema)).unwrap_or_default();
        lock(&self.warned).insert((what, of.to_owned()))
    }
}

impl fmt::Debug for Unshared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unshared").field("values", &lock(&self.values).len()).finish_non_exhaustive()
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
        assert!(known(T0 + RETRY), "the other callers go without the lock");
        assert!(!known(T0 + 2 * RETRY));
        unshared.remove("r");
        assert!(!known(T0));
    }

    #[test]
    fn a_refused_value_is_not_tried_again_before_its_time() {
        let (unshared, label) = (Unshared::default(), label("a"));
        for refused in [true, false] {
            unshared.add("r", &label, Reach::Process, refused, T0);
            unshared.can_be_stored("r");
            assert_eq!(unshared.is_known("r", &label, Reach::Process, T0), refused);
        }
    }

    #[test]
    fn values_of_other_labels_and_records_are_not_known() {
        let unshared = Unshared::default();
        unshared.add("r", &label("a"), Reach::Process, false, T0);
        assert!(unshared.is_known("r", &label("a"), Reach::Process, T0));
        assert!(!unshared.is_known("r", &label("a"), Reach::Caller, T0));
        assert!(!unshared.is_known("r", &label("b"), Reach::Process, T0));
        assert!(!unshared.is_known("other", &label("a"), Reach::Process, T0));
    }

    #[test]
    fn remembers_a_bounded_number_of_values() {
        let (unshared, label) = (Unshared::default(), label("a"));
        for i in 0..2 * NUMBER {
            unshared.add(&i.to_string(), &label, Reach::Caller, false, T0);
        }
        assert_eq!(lock(&unshared.values).len(), NUMBER);
        unshared.add("later", &label, Reach::Caller, false, T0 + RETRY);
        assert_eq!(lock(&unshared.values).len(), 1, "values whose time is over make room");
    }

    #[test]
    fn each_warning_is_news_once_for_each_function() {
        let (unshared, label) = (Unshared::default(), label("a"));
        let news = |function| unshared.is_news("too large", function, Some(&label));
        assert!(news(Some("f")) && news(Some("g")) && news(None));
        assert!(!news(Some("f")) && !news(Some("g")) && !news(None));
        assert!(unshared.is_news("not written", Some("f"), Some(&label)));
    }
}
