//! The envelope around a stored value. It says what the bytes are: a value of another turn, key, type or format is never
//! taken for the requested one.
//!
//! It is one line of JSON, followed by the bytes. Other languages read and write it, so its form is frozen:
//!
//! ```text
//! {"v":1,"codec":"json","schema":"usage-2","tag":"<the record's first two fields>","key":"<the key's namespaced uid>",
//!  "until":1769903999000123,"none":false}
//! [1,2,3]
//! ```

mod header;
mod payload;

pub(crate) use header::Header;
use header::Line;
pub use payload::Payload;
pub(crate) use payload::{Encoded, Stored};

use crate::clock::ServerTime;
use crate::format::key::Key;
use crate::format::record::Tag;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;

/// The version of the form above.
const VERSION: u32 = 1;

/// The longest schema, in bytes.
const LONGEST_SCHEMA: usize = 512;

/// Identifies the requested value beside its record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub(crate) codec: &'static str,
    pub(crate) schema: Cow<'static, str>,
    /// The key's namespaced uid: two keys may share a bare uid, and never share this one.
    pub(crate) key: Arc<str>,
}

impl Label {
    pub(crate) fn new(codec: &'static str, schema: impl Into<Cow<'static, str>>, key: &Key) -> Self {
        Self { codec, schema: bounded(schema.into()), key: key.namespaced_uid().into() }
    }

    /// The label as one line, for notes.
    pub(crate) fn line(&self) -> String {
        Value::from([self.codec, &*self.schema, &*self.key].map(Value::from).to_vec()).to_string()
    }

    /// Puts a value that the turn of `tag` computed into its envelope. `until` is when its COMPUTED record expires, or zero
    /// if that is not known.
    pub(crate) fn seal(&self, tag: &Tag, separator: &str, until: ServerTime, value: &Payload) -> Vec<u8> {
        let tag = tag.fields(separator);
        let texts = [("codec", self.codec), ("schema", &self.schema), ("tag", tag), ("key", &self.key)];
        let texts = texts.map(|(name, text)| format!("\"{name}\":{}", Value::from(text))).join(",");
        let (until, none) = (until.0, *value.encoded() == Encoded::None);
        let header = format!("{{\"v\":{VERSION},{texts},\"until\":{until},\"none\":{none}}}\n");
        [header.as_bytes(), value.content().unwrap_or_default()].concat()
    }

    /// Takes the value out of an envelope, if it is the requested one and belongs to `record`, the COMPUTED record in the
    /// store.
    ///
    /// # Errors
    ///
    /// The reason why it is not.
    pub(crate) fn open(
        &self,
        envelope: Vec<u8>,
        record: &[u8],
        separator: &str,
    ) -> Result<Payload, &'static str> {
        Ok(self.header(&envelope, Some((record, separator)))?.content(envelope))
    }

    /// Reads the header from the beginning of an envelope, if the value is the requested one and belongs to the record,
    /// where one is given with its separator.
    ///
    /// # Errors
    ///
    /// The reason why it is not.
    pub(crate) fn header(
        &self,
        beginning: &[u8],
        record: Option<(&[u8], &str)>,
    ) -> Result<Header, &'static str> {
        let end = beginning.iter().position(|&byte| byte == b'\n').ok_or("no envelope")?;
        let line: Line<'_> = serde_json::from_slice(&beginning[..end]).map_err(|_| "no envelope")?;
        if line.v != VERSION {
            return Err("another version of the envelope");
        }
        if &*line.codec != self.codec {
            return Err("another codec");
        }
        if *line.schema != *self.schema {
            return Err("another type or schema");
        }
        if *line.key != *self.key {
            return Err("another key of the same uid");
        }
        if record.is_some_and(|(record, separator)| !line.belongs_to(record, separator)) {
            return Err("another turn's value");
        }
        let until = (line.until > 0).then_some(ServerTime(line.until));
        Ok(Header { until, none: line.none, length: end + 1 })
    }
}

/// Shortens a long schema: names of types can be very long, and the header is read with every record.
fn bounded(schema: Cow<'static, str>) -> Cow<'static, str> {
    if schema.len() <= LONGEST_SCHEMA {
        return schema;
    }
    let digest = Sha256::digest(schema.as_bytes());
    let digest = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let room = LONGEST_SCHEMA - digest.len() - 1;
    let start = schema.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c);
    format!("{}#{digest}", start.collect::<String>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::State;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn label() -> Label {
        Label::new("json", "usage-2", &Key::new("example"))
    }

    fn tag() -> Tag {
        Tag::new("0b8e@host/1,2026-01-31T23:59:59.000123+00:00".into(), ",")
    }

    const UNTIL: ServerTime = ServerTime(1_769_903_999_000_123);

    fn seal(value: &[u8]) -> Vec<u8> {
        label().seal(&tag(), ",", UNTIL, &Payload::new(value.to_vec()))
    }

    fn record() -> Vec<u8> {
        tag().record(State::Computed).into_bytes()
    }

    #[test]
    fn a_value_reads_back_and_its_envelope_is_readable() {
        let sealed = seal(b"[1,2]\n3");
        assert_eq!(
            label().open(sealed.clone(), &record(), ","),
            Ok(Payload::new(Bytes::from_static(b"[1,2]\n3")))
        );
        let text = String::from_utf8(sealed).unwrap();
        let key = Key::new("example").namespaced_uid();
        assert_eq!(
            text,
            format!(
                "{{\"v\":1,\"codec\":\"json\",\"schema\":\"usage-2\",\
                 \"tag\":\"0b8e@host/1,2026-01-31T23:59:59.000123+00:00\",\"key\":\"{key}\",\
                 \"until\":1769903999000123,\"none\":false}}\n[1,2]\n3"
            )
        );
    }

    #[test]
    fn the_header_alone_says_none() {
        let sealed = label().seal(&tag(), ",", ServerTime(0), &Payload::none());
        assert!(sealed.ends_with(b"\"until\":0,\"none\":true}\n"));
        assert_eq!(label().open(sealed.clone(), &record(), ","), Ok(Payload::none()));
        assert_ne!(Payload::none(), Payload::new(Vec::new()));
        for (none, opened) in [("false", Ok(Payload::new(Vec::new()))), ("0", Err("no envelope"))] {
            let changed = String::from_utf8(sealed.clone()).unwrap().replace("true", none).into_bytes();
            assert_eq!(label().open(changed, &record(), ","), opened);
        }
    }

    #[test]
    fn the_header_says_until_when_the_record_lives() {
        let until = |text: &str| {
            let sealed = String::from_utf8(seal(b"1")).unwrap();
            let changed = sealed.replace("\"until\":1769903999000123,", text);
            label().header(changed.as_bytes(), None).map(|header| header.until)
        };
        assert_eq!(until("\"until\":1769903999000123,"), Ok(Some(UNTIL)));
        assert_eq!(until("\"until\":18446744073709551615,"), Ok(Some(ServerTime(u64::MAX))));
        for unknown in ["\"until\":0,", ""] {
            assert_eq!(until(unknown), Ok(None), "{unknown}");
        }
        // The order of fields is free, others are ignored, and any text may have escapes.
        let moved = seal(b"1");
        let moved = String::from_utf8(moved).unwrap().replace("\"until\":1769903999000123,", "");
        let moved = moved
            .replace("{\"v\":1,", "{\"\\u0075ntil\":7,\"a\\n\":[{\"v\":2}],\"v\":1,")
            .replace("\"json\"", "\"\\u006ason\"");
        assert_eq!(
            label().header(moved.as_bytes(), None).map(|header| header.until),
            Ok(Some(ServerTime(7)))
        );
        for wrong in ["-1", "1.5", "null", "\"1\"", "18446744073709551616"] {
            assert_eq!(until(&format!("\"until\":{wrong},")), Err("no envelope"), "{wrong}");
        }
    }

    #[test]
    fn a_value_of_another_label_or_turn_is_a_miss() {
        let sealed = || seal(b"1");
        let other_key = Label::new("json", "usage-2", &Key::new(b"example"));
        let other_schema = Label::new("json", "usage-3", &Key::new("example"));
        let other_codec = Label::new("msgpack", "usage-2", &Key::new("example"));
        for other in [other_key, other_schema, other_codec] {
            assert!(other.open(sealed(), &record(), ",").is_err(), "{other:?}");
        }
        let later = b"0b8e@host/1,2026-01-31T23:59:59.000124+00:00,1";
        assert_eq!(label().open(sealed(), later, ","), Err("another turn's value"));
        assert_eq!(
            label().open(sealed(), tag().record(State::Blocked).as_bytes(), ","),
            Err("another turn's value")
        );
        let newer = String::from_utf8(sealed()).unwrap().replace("\"v\":1", "\"v\":2").into_bytes();
        assert!(label().open(newer, &record(), ",").is_err());
    }

    #[test]
    fn a_long_schema_is_cut_and_stays_unique() {
        let label = |end: &str| Label::new("json", format!("{}{end}", "é".repeat(400)), &Key::new("k"));
        assert!(label("a").schema.len() <= LONGEST_SCHEMA, "{}", label("a").schema);
        assert_ne!(label("a"), label("b"));
        assert_eq!(label("a"), label("a"));
    }

    proptest! {
        #[test]
        fn any_value_reads_back(value: Option<Vec<u8>>, schema: String, until: u64) {
            let label = Label::new("json", schema, &Key::new("example"));
            let value = value.map_or_else(Payload::none, Payload::new);
            let opened = label.open(label.seal(&tag(), ",", ServerTime(until), &value), &record(), ",");
            prop_assert_eq!(opened, Ok(value));
        }

        #[test]
        fn garbage_is_a_miss_and_never_a_panic(garbage: Vec<u8>) {
            prop_assert!(label().open(garbage, &record(), ",").is_err());
        }

        #[test]
        fn one_changed_byte_of_the_header_is_never_a_wrong_value(at in 0_usize..230, byte: u8) {
            let mut sealed = seal(b"value");
            if at < sealed.len() - 6 && sealed[at] != byte {
                sealed[at] = byte;
                if let Ok(payload) = label().open(sealed, &record(), ",") {
                    // JSON leaves white space and the order of fields free, but not their content.
                    prop_assert_eq!(payload, Payload::new(Bytes::from_static(b"value")));
                }
            }
        }
    }
}
