//! Random envelopes and notes: written by this library, by others, or garbage.

use crate::clock::ServerTime;
use crate::format::envelope::{Label, Payload};
use crate::format::key::Key;
use crate::format::note::{Failure, Note, Parts, parts};
use crate::format::record::{State, Tag};
use dspinlock_fuzz::{fuzz, with_slips};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const SEPARATORS: [&str; 3] = [",", "::", "\u{2192}"];

const WORDS: [&str; 43] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\n",
    "\r\n",
    " ",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "\u{e9}",
    "\"v\":1",
    "\"v\":2",
    "\"v\":1.0",
    "\"v\":\"1\"",
    "\"v\":18446744073709551616",
    "\"v\":1e999",
    "\"codec\":\"json\",",
    "\"codec\":\"msgpack\",",
    "\"schema\":\"usage-2\",",
    "\"schema\":\"\",",
    "\"tag\":\"other\",",
    "\"tag\":7,",
    "\"key\":\"7\",",
    "\"key\":null,",
    "\"until\":0,",
    "\"until\":-1,",
    "\"until\":\"0\",",
    "\"none\":true,",
    "\"none\":false,",
    "\"none\":null,",
    "\"more\":[{}],",
    "\n0\nfailed\n",
    "unstored\n",
    "unshared\n",
    "null",
    "true",
    "7",
    "[[[[",
];

/// A tag of two fields.
fn tags(separator: &'static str) -> impl Strategy<Value = String> {
    let odd = any::<String>();
    let usual = Just("0b8e@web-1/77".to_owned());
    prop_oneof![3 => usual, 1 => odd]
        .prop_map(move |owner| format!("{owner}{separator}2026-01-31T23:59:59.000123+00:00"))
}

fn labels() -> impl Strategy<Value = Label> {
    let schema = prop_oneof![3 => Just("usage-2".to_owned()), 1 => any::<String>()];
    let key = select(vec!["7".to_owned(), Key::new("example").namespaced_uid()]);
    (select(vec!["json", "msgpack"]), schema, key).prop_map(|(codec, schema, key)| Label {
        codec,
        schema: schema.into(),
        key: key.into(),
    })
}

fn payloads(longest: usize) -> impl Strategy<Value = Payload> {
    option::of(vec(any::<u8>(), 0..longest)).prop_map(|bytes| bytes.map_or_else(Payload::none, Payload::new))
}

#[test]
fn an_envelope_opens_only_as_what_its_header_says() {
    let separators = select(&SEPARATORS[..]);
    let sealed = (separators, labels(), any::<u64>(), payloads(16)).prop_flat_map(
        |(separator, label, until, value)| {
            let sealed = {
                let label = label.clone();
                let seal =
                    move |tag| label.seal(&Tag::new(tag, separator), separator, ServerTime(until), &value);
                with_slips(tags(separator).prop_map(seal), &WORDS)
            };
            let envelope = prop_oneof![8 => sealed, 1 => vec(any::<u8>(), 0..80)];
            (Just(separator), Just(label), envelope)
        },
    );
    fuzz("envelopes", &sealed, |(separator, label, envelope)| {
        let open_any = |label: &Label, envelope: Vec<u8>| {
            label.header(&envelope, None).map(|header| header.content(envelope))
        };
        let Ok(payload) = open_any(&label, envelope.clone()) else {
            assert!(label.open(envelope, b"", separator).is_err());
            return false;
        };
        // Everything after the first line break is the value, unless that is `None`.
        let end = envelope.iter().position(|&byte| byte == b'\n').expect("a header");
        let header: serde_json::Value = serde_json::from_slice(&envelope[..end]).expect("JSON");
        let tag = header["tag"].as_str().expect("a tag").to_owned();
        assert!(payload.content().is_none_or(|content| content == &envelope[end + 1..]));
        // It belongs to that turn only, and only once the turn is over.
        let turn = Tag::new(tag.clone(), separator);
        let open = |label: &Label, record: &str| label.open(envelope.clone(), record.as_bytes(), separator);
        assert_eq!(open(&label, &turn.record(State::Computed)).as_ref(), Ok(&payload));
        assert!(open(&label, &turn.record(State::Blocked)).is_err());
        assert!(open(&label, &Tag::new(format!("{tag}0"), separator).record(State::Computed)).is_err());
        // No other label opens it.
        let others = [
            Label { codec: "other", ..label.clone() },
            Label { schema: format!("{}'", label.schema).into(), ..label.clone() },
            Label { key: format!("{}0", label.key).into(), ..label.clone() },
        ];
        assert!(others.iter().all(|other| open_any(other, envelope.clone()).is_err()));
        // Sealed again, it opens to the same value.
        let again = label.seal(&turn, separator, ServerTime(0), &payload);
        assert_eq!(
            open(&label, &turn.record(State::Computed)),
            label.open(again, turn.record(State::Computed).as_bytes(), separator)
        );
        true
    });
}

#[test]
fn a_sealed_value_opens_again() {
    let separators = select(&SEPARATORS[..]);
    let input = separators
        .prop_flat_map(|separator| (Just(separator), labels(), tags(separator), any::<u64>(), payloads(64)));
    fuzz("sealed values", &input, |(separator, label, tag, until, value)| {
        let turn = Tag::new(tag, separator);
        let sealed = label.seal(&turn, separator, ServerTime(until), &value);
        let opened = label.open(sealed, turn.record(State::Computed).as_bytes(), separator);
        assert_eq!(opened, Ok(value));
        true
    });
}

/// The message, if the note is that of a failure.
fn message_of(note: &[u8]) -> Option<String> {
    match Note::read(note, ",") {
        Note::Failed(failure) => Some(failure.message),
        Note::NotShared { .. } => None,
    }
}

#[test]
fn a_note_reads_back() {
    let at = option::of(Just("jobs::nightly"));
    let written = (tags(","), any::<u64>(), any::<String>(), at).prop_map(|(tag, till, message, at)| {
        let failure = Failure::new(&message, at);
        let label = r#"["json","usage-2","17"]"#;
        let note = failure.note(&Tag::new(tag.replace('\n', ""), ","), ServerTime(till), label);
        assert_eq!(message_of(&note).as_deref(), Some(&*failure.message));
        assert_eq!(
            parts(&note).map(|parts| (parts.till, parts.label)),
            Some((ServerTime(till), label.as_bytes()))
        );
        note
    });
    let note = prop_oneof![8 => with_slips(written, &WORDS), 1 => vec(any::<u8>(), 0..80)];
    fuzz("notes", &note, |note| {
        let Some(Parts { turn, till, label, rest }) = parts(&note) else {
            assert_eq!(message_of(&note).as_deref(), Some(""));
            return false;
        };
        let digits = &note[turn.len() + 1..note.len() - rest.len() - label.len() - 2];
        assert!(digits.iter().all(u8::is_ascii_digit) && !turn.contains(&b'\n'));
        let written = [turn, till.0.to_string().as_bytes(), label, rest].join(&b'\n');
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        assert!(written == note || zeros > 0);
        let message = rest.splitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default();
        assert!(message_of(&note).is_none_or(|read| read == String::from_utf8_lossy(message)));
        true
    });
}
