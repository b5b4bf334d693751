//! The names of one lock's keys, derived by its scheme.

use super::Scheme;
use super::checks::{check_namespace, check_tags, config};
use super::slot::{self, hash_tag};
use crate::error::Result;
use crate::format::key::Key;
use std::borrow::Cow;

/// The names of one lock's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) record: String,
    /// The cluster slot of all these keys.
    pub(crate) hash_slot: u16,
    /// Holds the highest fencing token of all locks in the record's cluster slot. The number in its name is the smallest one that
    /// puts it there.
    pub(crate) fence: String,
    /// The scheme's value separator.
    pub(crate) separator: Cow<'static, str>,
}

impl Names {
    /// Derives the names. Refuses names that would break a cluster's slots or collide with another lock's.
    pub(crate) fn derive(scheme: &dyn Scheme, namespace: Option<&str>, key: &Key) -> Result<Self> {
        let separator = scheme.key_separator();
        check_part("prefix", scheme.prefix(), separator)?;
        if let Some(namespace) = namespace {
            check_part("namespace", namespace, separator)?;
        }
        let braces = ['{', '}'];
        if separator.is_empty() || separator.contains(braces) {
            return Err(config(format!(
                "the key separator {separator:?} is empty or contains a brace; use \",\""
            )));
        }
        let value_separator = scheme.value_separator();
        if value_separator.is_empty() || value_separator.contains(['{', '}', '@']) {
            let what = format!(
                "the value separator {value_separator:?} is empty or contains a brace or an @; use \",\""
            );
            return Err(config(what));
        }
        let record = scheme.key(namespace, &scheme.uid(namespace, key));
        if !scheme.is_standard() {
            check_tags(scheme)?;
            if let Some(namespace) = namespace {
                check_namespace(scheme, namespace, key, &record)?;
            }
        }
        if record.contains(braces) && hash_tag(&record).is_none() {
            let what =
                format!("the scheme's key {record:?} has braces that are not a hash tag; leave them out");
            return Err(config(what));
        }
        let hash_slot = slot::slot(&record);
        let fence = fence(scheme.prefix(), hash_slot);
        if record == fence {
            let what = "that is where the fencing tokens are; choose another name in `Scheme::key`";
            return Err(config(format!("the scheme's key is {record:?}, and {what}")));
        }
        let separator = match value_separator {
            "," => Cow::Borrowed(","),
            other => Cow::Owned(other.to_owned()),
        };
        Ok(Self { record, hash_slot, fence, separator })
    }

    /// The names around a record whose name is known, for tools. Its key, and so its scheme, are not.
    #[cfg(feature = "redis")]
    pub(crate) fn around(record: &str, prefix: &str) -> Self {
        let hash_slot = slot::slot(record);
        let fence = fence(prefix, hash_slot);
        Self { record: record.to_owned(), hash_slot, fence, separator: Cow::Borrowed(",") }
    }

    /// Holds the value.
    pub(crate) fn value(&self) -> String {
        self.beside("value")
    }

    /// Holds the note of a turn without a value.
    pub(crate) fn error(&self) -> String {
        self.beside("error")
    }

    /// Held by the caller that refreshes a value ahead of its expiry.
    pub(crate) fn refresh(&self) -> String {
        self.beside("refresh")
    }

    /// The names of the refresh mark, which is held like a lock.
    pub(crate) fn of_the_mark(&self) -> Self {
        Self { record: self.refresh(), ..self.clone() }
    }

    /// A key of a store's own beside the record, in its cluster slot: the record's name in braces comes first, unless that has a
    /// hash tag of its own.
    pub(crate) fn beside(&self, what: &str) -> String {
        match hash_tag(&self.record) {
            Some(_) => [&self.record, ":", what].concat(),
            None => ["{", &self.record, "}:", what].concat(),
        }
    }
}

/// The name of the fence of a cluster slot.
fn fence(prefix: &str, hash_slot: u16) -> String {
    let mut number = itoa::Buffer::new();
    [prefix, ":fence:{", number.format(slot::number(hash_slot)), "}"].concat()
}

fn check_part(what: &str, part: &str, separator: &str) -> Result<()> {
    if part.is_empty() || part.contains(['{', '}']) || part.contains(separator) {
        return Err(config(format!(
            "the {what} {part:?} can't be used: it must not be empty or contain `{{`, `}}` or the separator {separator:?}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::format::scheme::StandardScheme;

    #[derive(Debug)]
    struct Fixed(&'static str);

    impl Scheme for Fixed {
        fn key(&self, _: Option<&str>, _: &str) -> String {
            self.0.to_owned()
        }
    }

    fn names(scheme: &dyn Scheme, namespace: Option<&str>) -> Result<Names> {
        Names::derive(scheme, namespace, &Key::new(&7_u8))
    }

    #[test]
    fn all_keys_of_a_lock_share_a_slot() {
        let bare = names(&StandardScheme::default(), None).unwrap();
        assert_eq!(bare.record, "dspinlock,7");
        assert_eq!(bare.value(), "{dspinlock,7}:value");
        assert_eq!(bare.fence, "dspinlock:fence:{7884}");
        let named = names(&StandardScheme::new("staging"), Some("billing")).unwrap();
        assert_eq!(named.record, "staging,billing,7");
        assert_eq!(named.fence, "staging:fence:{3953}");
        for names in [bare, named, names(&Fixed("a:{b}:c"), None).unwrap()] {
            let at = names.hash_slot;
            assert_eq!(slot::slot(&names.record), at);
            for key in [
                &names.fence,
                &names.value(),
                &names.error(),
                &names.beside("wait"),
                &names.of_the_mark().record,
            ] {
                assert_eq!(slot::slot(key), at, "{key}");
            }
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn the_names_around_a_record_are_those_of_its_lock() {
        for (scheme, prefix) in
            [(&StandardScheme::new("staging") as &dyn Scheme, "staging"), (&Fixed("a:{b}:c"), "dspinlock")]
        {
            let names = names(scheme, None).unwrap();
            assert_eq!(Names::around(&names.record, prefix), names);
        }
    }

    #[test]
    fn a_scheme_with_its_own_hash_tag_is_suffixed_as_it_is() {
        let own = names(&Fixed("a:{b}:c"), None).unwrap();
        assert_eq!((&*own.value(), &*own.fence), ("a:{b}:c:value", "dspinlock:fence:{20203}"));
        assert_eq!(names(&Fixed("a{}b"), None).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn refuses_a_record_in_the_place_of_the_tokens() {
        let error = names(&Fixed("dspinlock:fence:{7884}"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("choose another name"), "{error}");
        // No fence has this name: the slot has a smaller number.
        names(&Fixed("dspinlock:fence:{123456789}"), None).unwrap();
    }

    #[test]
    fn refuses_braces_and_separators() {
        for part in ["", "a{b", "a}b", "a,b"] {
            assert_eq!(names(&StandardScheme::new(part), None).unwrap_err().kind(), ErrorKind::Config);
            assert_eq!(names(&StandardScheme::default(), Some(part)).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
