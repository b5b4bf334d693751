//! Checks of a user's scheme, on samples and before anything is sent: with a mistake in it, a lock would exclude nobody.

use crate::clock::ServerTime;
use crate::error::{Error, ErrorKind, Result};
use crate::format::key::Key;
use crate::format::record::{LONGEST, LONGEST_OWNER, Record, State, Tag};
use crate::format::scheme::{Scheme, Turn};

/// The time of both sample turns: a tag must not rely on the time to be unique.
const NOW: ServerTime = ServerTime(1_769_903_999_000_123);

/// Requires that two turns have different tags, and that a record with such a tag reads back with its owner and time.
pub(super) fn check_tags(scheme: &dyn Scheme) -> Result<()> {
    let turn = |id: &str| Turn { id: id.into(), owner: "host/1".into(), timestamp: NOW.to_string() };
    let tag = scheme.tag(&turn("11111111-1111-4111-8111-111111111111"));
    if tag == scheme.tag(&turn("22222222-2222-4222-9222-222222222222")) {
        let what = "and both would hold the lock at once; add `turn.id` to it";
        return Err(config(format!("the scheme gives two turns the same tag {tag:?}, {what}")));
    }
    let separator = scheme.value_separator();
    let record = Tag::new(tag.clone(), separator).record(State::Blocked);
    let why = match Record::parse(record.as_bytes(), separator) {
        Ok(record) if record.timestamp != NOW => "its second field is not the time of the turn",
        Ok(record) if record.is_python() => {
            let what =
                "has no `@`, so the record would count as Python's; write `turn.id`, an `@` and `turn.owner`";
            return Err(config(format!("the owner part of the scheme's tag {tag:?} {what}")));
        }
        Ok(_) if !tag.bytes().all(|byte| byte.is_ascii_graphic()) => {
            "it is not printable ASCII without spaces"
        }
        Ok(record) if record.raw.len() + LONGEST_OWNER > LONGEST => {
            "its record may be longer than 1,024 bytes"
        }
        Ok(_) => return Ok(()),
        Err(reason) => reason.0,
    };
    Err(config(format!(
        "the scheme's tag {tag:?} can't be read back: {why}; write two fields joined by the value separator \
         {separator:?}, which neither field contains; the second field is `turn.timestamp`"
    )))
}

/// Requires that two namespaces give different names. `record` is the name in this namespace.
pub(super) fn check_namespace(scheme: &dyn Scheme, namespace: &str, key: &Key, record: &str) -> Result<()> {
    let other = format!("{namespace}~");
    if scheme.key(Some(&other), &scheme.uid(Some(&other), key)) != record {
        return Ok(());
    }
    Err(config(format!(
        "the scheme gives the key the name {record:?} in every namespace, so locks of different functions would \
         collide; use the namespace {namespace:?} in `Scheme::key`, or use none (`namespace = \"\"`)"
    )))
}

pub(super) fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::scheme::StandardScheme;

    #[derive(Debug)]
    struct Tagged(fn(&Turn) -> String, &'static str);

    impl Scheme for Tagged {
        fn value_separator(&self) -> &str {
            self.1
        }

        fn tag(&self, turn: &Turn) -> String {
            self.0(turn)
        }
    }

    type Case = (fn(&Turn) -> String, &'static str, &'static str);

    #[test]
    fn refuses_tags_that_would_exclude_nobody() {
        let standard = |turn: &Turn| StandardScheme::default().tag(turn);
        let cases: [Case; 8] = [
            (|_| "me".to_owned(), ",", "add `turn.id` to it"),
            (|turn| format!("me@{},{}", turn.owner, turn.timestamp), ",", "add `turn.id` to it"),
            (|turn| format!("{},{}", turn.id, turn.timestamp), ",", "has no `@`"),
            (|turn| format!("{}@me", turn.id), ",", "three fields"),
            (|turn| format!("{}@me,2026-01-31T00:00:00+00:00", turn.id), ",", "not the time of the turn"),
            (|turn| format!("{}@löng,{}", turn.id, turn.timestamp), ",", "printable ASCII"),
            (|turn| format!("{}@me:{}", turn.id, turn.timestamp), ":", "which neither field contains"),
            (
                |turn| format!("{}@{:900},{}", turn.id, "me", turn.timestamp).replace(' ', "_"),
                ",",
                "1,024 bytes",
            ),
        ];
        for (tag, separator, why) in cases {
            let error = check_tags(&Tagged(tag, separator)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{why}: {error}");
        }
        check_tags(&Tagged(standard, ",")).unwrap();
        check_tags(&Tagged(|turn| format!("{}@web-1|{}", turn.id, turn.timestamp), "|")).unwrap();
    }

    #[derive(Debug)]
    struct Keyed(fn(Option<&str>, &str) -> String);

    impl Scheme for Keyed {
        fn key(&self, namespace: Option<&str>, uid: &str) -> String {
            self.0(namespace, uid)
        }
    }

    #[test]
    fn requires_the_namespace_in_the_name() {
        let check = |scheme: &dyn Scheme| {
            let key = Key::new("monday");
            let record = scheme.key(Some("billing"), &scheme.uid(Some("billing"), &key));
            check_namespace(scheme, "billing", &key, &record)
        };
        let error = check(&Keyed(|_, uid| format!("reports:{uid}"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("\"billing\""), "{error}");
        check(&Keyed(|namespace, uid| format!("reports:{}:{uid}", namespace.unwrap_or_default()))).unwrap();
        check(&StandardScheme::default()).unwrap();
    }
}
