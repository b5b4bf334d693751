//! The names of all that belongs to one lock, derived by its scheme.

use super::checks::{check_namespace, check_tags, config};
use super::{Scheme, StandardScheme};
use crate::error::Result;
use crate::format::key::Key;
use std::any::Any;

/// The names of all that belongs to one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) record: String,
    /// The record's key in braces: what puts all the others in its cluster slot.
    slot: String,
    /// The scheme's value separator, for reading records.
    pub(crate) separator: String,
}

impl Names {
    /// Derives the names, and refuses those that would break a cluster's slots or another lock's names.
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
        if !(scheme as &dyn Any).is::<StandardScheme>() {
            check_tags(scheme)?;
            if let Some(namespace) = namespace {
                check_namespace(scheme, namespace, key, &record)?;
            }
        }
        let slot = match hash_tag(&record) {
            Some(_) => record.clone(),
            None if record.contains(braces) => {
                let what =
                    format!("the scheme's key {record:?} has braces that are no hash tag; leave them out");
                return Err(config(what));
            }
            None => format!("{{{record}}}"),
        };
        Ok(Self { record, slot, separator: value_separator.to_owned() })
    }

    /// The highest fencing token.
    pub(crate) fn fence(&self) -> String {
        self.beside("fence")
    }

    /// What was computed.
    pub(crate) fn value(&self) -> String {
        self.beside("value")
    }

    /// Why a computation failed.
    pub(crate) fn error(&self) -> String {
        self.beside("error")
    }

    /// The mark of the one who computes anew.
    pub(crate) fn refresh(&self) -> String {
        self.beside("refresh")
    }

    /// The names of the mark itself, which is held like a lock.
    pub(crate) fn of_the_mark(&self) -> Self {
        Self { record: self.refresh(), ..self.clone() }
    }

    /// A key of a store's own beside the record, in its cluster slot.
    pub(crate) fn beside(&self, what: &str) -> String {
        [&self.slot, ":", what].concat()
    }
}

/// What Redis Cluster hashes of a key: the text between the first `{` and the next `}`, unless it is empty.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

fn check_part(what: &str, part: &str, separator: &str) -> Result<()> {
    if part.is_empty() || part.contains(['{', '}']) || part.contains(separator) {
        return Err(config(format!(
            "the {what} {part:?} can't be used: it must not be empty nor contain `{{`, `}}` or the separator {separator:?}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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
        assert_eq!(bare.fence(), "{dspinlock,7}:fence");
        assert_eq!(hash_tag(&bare.value()), Some(bare.record.as_str()));
        let named = names(&StandardScheme::new("staging"), Some("billing")).unwrap();
        assert_eq!(named.record, "staging,billing,7");
    }

    #[test]
    fn a_scheme_with_its_own_hash_tag_is_suffixed_as_it_is() {
        assert_eq!(names(&Fixed("a:{b}:c"), None).unwrap().fence(), "a:{b}:c:fence");
        assert_eq!(names(&Fixed("a{}b"), None).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn refuses_braces_and_separators() {
        for part in ["", "a{b", "a}b", "a,b"] {
            assert_eq!(names(&StandardScheme::new(part), None).unwrap_err().kind(), ErrorKind::Config);
            assert_eq!(names(&StandardScheme::default(), Some(part)).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
