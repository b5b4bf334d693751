//! The first line of an envelope.

use crate::clock::ServerTime;
use crate::format::envelope::Payload;
use crate::format::record::State;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// What the rest of an envelope is, once its first line was found to be that of the requested value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// When the COMPUTED record expires, where that was known to the turn that stored the value. It may be early by the time
    /// that storing took, and late by less than a round trip.
    pub(crate) until: Option<ServerTime>,
    pub(super) none: bool,
    /// The number of its bytes, with the line break.
    pub(crate) length: usize,
}

impl Header {
    /// The value in the envelope, of which this is the header.
    pub(crate) fn content(&self, envelope: Vec<u8>) -> Payload {
        if self.none { Payload::none() } else { Payload::new(Bytes::from(envelope).slice(self.length..)) }
    }
}

/// The first line, as it was parsed. Fields without escapes are borrowed from it: a hit builds no tree of JSON.
pub(super) struct Line<'a> {
    pub(super) v: u32,
    pub(super) codec: Text<'a>,
    pub(super) schema: Text<'a>,
    pub(super) key: Text<'a>,
    pub(super) until: u64,
    pub(super) none: bool,
    tag: Text<'a>,
}

impl Line<'_> {
    /// Whether the turn that computed the value is that of this record, and over.
    pub(super) fn belongs_to(&self, record: &[u8], separator: &str) -> bool {
        let rest = record.strip_prefix(self.tag.as_bytes());
        let state = rest.and_then(|rest| rest.strip_prefix(separator.as_bytes()));
        state == Some(&[State::Computed.digit() as u8])
    }
}

impl<'de> Deserialize<'de> for Line<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Line<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the header of a value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Line<'de>, A::Error> {
                let (mut v, mut codec, mut schema, mut tag, mut key) = (None, None, None, None, None);
                let (mut until, mut none) = (0, None);
                while let Some(name) = fields.next_key::<Text<'_>>()? {
                    match &*name {
                        "v" => v = Some(fields.next_value()?),
                        "codec" => codec = Some(fields.next_value()?),
                        "schema" => schema = Some(fields.next_value()?),
                        "tag" => tag = Some(fields.next_value()?),
                        "key" => key = Some(fields.next_value()?),
                        "until" => until = fields.next_value()?,
                        "none" => none = Some(fields.next_value()?),
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                let missing = A::Error::missing_field;
                Ok(Line {
                    v: v.ok_or_else(|| missing("v"))?,
                    codec: codec.ok_or_else(|| missing("codec"))?,
                    schema: schema.ok_or_else(|| missing("schema"))?,
                    tag: tag.ok_or_else(|| missing("tag"))?,
                    key: key.ok_or_else(|| missing("key"))?,
                    until,
                    none: none.ok_or_else(|| missing("none"))?,
                })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A text that is borrowed where it can be.
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowed)
    }
}
