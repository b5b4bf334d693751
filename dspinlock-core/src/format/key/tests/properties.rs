//! Properties of all keys.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::model::{any_value, decode, similar_value};
use crate::format::key::Key;

proptest! {
    #[test]
    fn every_value_reads_back(value in any_value()) {
        prop_assert_eq!(decode(Key::new(&value).canonical()), value);
    }

    #[test]
    fn no_two_values_share_a_namespaced_uid(values in prop::collection::vec(similar_value(), 50)) {
        let keys: Vec<Key> = values.iter().map(Key::new).collect();
        let different = values.iter().collect::<HashSet<_>>().len();
        prop_assert_eq!(keys.iter().map(Key::canonical).collect::<BTreeSet<_>>().len(), different);
        prop_assert_eq!(keys.iter().map(Key::namespaced_uid).collect::<BTreeSet<_>>().len(), different);
    }

    #[test]
    fn the_border_between_two_texts_counts(characters in prop::collection::vec(any::<char>(), 1..8)) {
        let split = |at| {
            let text = |part: &[char]| part.iter().collect::<String>();
            Key::new(&(text(&characters[..at]), text(&characters[at..]))).namespaced_uid()
        };
        let uids: BTreeSet<String> = (0..=characters.len()).map(split).collect();
        prop_assert_eq!(uids.len(), characters.len() + 1);
    }

    #[test]
    fn integers_are_decimal_where_python_hashes_them_to_themselves(n in any::<i64>(), shift in 0..64_u32) {
        let n = n >> shift;
        let key = Key::new(&n);
        prop_assert_eq!(key.namespaced_uid(), n.to_string());
        let bare = key.bare_uid();
        match n {
            -1 => prop_assert_eq!(bare, "-2"),
            _ if n.unsigned_abs() <= (1 << 61) - 2 => prop_assert_eq!(bare, n.to_string()),
            _ => prop_assert!(bare.starts_with("v1-")),
        }
    }

    #[test]
    fn uids_have_no_separator_and_no_brace(value in any_value()) {
        let key = Key::new(&value);
        for uid in [key.bare_uid(), key.namespaced_uid()] {
            prop_assert!(uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", uid);
        }
    }

    #[test]
    fn the_shown_text_is_short_and_printable(value in any_value()) {
        let shown = Key::new(&value).to_string();
        prop_assert!(shown.chars().count() <= 64);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}
