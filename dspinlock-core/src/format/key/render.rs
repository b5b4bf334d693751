//! Shows a canonical encoding as Rust source, for errors and logs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::encoder::{Value, tag};

/// The longest shown text, in characters.
const LIMIT: usize = 64;

/// Renders an encoded value in at most [`LIMIT`] characters; the cost does not depend on its size.
pub(super) fn render(value: &[u8]) -> String {
    let mut text = Bounded::default();
    // `Full` is not a failure: the text ends in an ellipsis.
    let _ = first(&mut text, value);
    text.shown
}

/// The text has reached its limit.
struct Full;

type Outcome = Result<(), Full>;

/// A text that takes pieces until it is full. It never cuts a piece, so no half of an escape is shown.
#[derive(Default)]
struct Bounded {
    shown: String,
    characters: usize,
    /// Where to cut so that the ellipsis still fits.
    cut: usize,
}

impl Bounded {
    fn push(&mut self, piece: &str) -> Outcome {
        let characters = self.characters + piece.chars().count();
        if characters > LIMIT {
            self.shown.truncate(self.cut);
            self.shown.push('…');
            return Err(Full);
        }
        self.shown.push_str(piece);
        self.characters = characters;
        if characters < LIMIT {
            self.cut = self.shown.len();
        }
        Ok(())
    }

    fn push_all(&mut self, pieces: impl IntoIterator<Item: ToString>) -> Outcome {
        pieces.into_iter().try_for_each(|piece| self.push(&piece.to_string()))
    }

    /// Pushes text, and escapes quotes, backslashes and unprintable characters.
    fn push_text(&mut self, utf8: &[u8]) -> Outcome {
        self.push("\"")?;
        // A character has at most four bytes, so the rest can't be shown.
        let head = &utf8[..utf8.len().min(4 * LIMIT)];
        for chunk in head.utf8_chunks() {
            self.push_all(
                chunk
                    .valid()
                    .chars()
                    .map(|c| if c == '\'' { "'".into() } else { c.escape_debug().to_string() }),
            )?;
        }
        self.push("\"")
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.push("b\"")?;
        self.push_all(bytes.iter().map(|byte| byte.escape_ascii()))?;
        self.push("\"")
    }
}

/// Renders the first value, and returns the bytes after it.
fn first<'a>(text: &mut Bounded, bytes: &'a [u8]) -> Result<&'a [u8], Full> {
    let Some((Value { tag, content }, rest)) = Value::split(bytes) else {
        text.push("?")?;
        return Ok(&[]);
    };
    match tag {
        tag::TEXT => text.push_text(content)?,
        tag::BYTES => text.push_bytes(content)?,
        tag::INTEGER | tag::DATE_TIME | tag::DATE | tag::TIME => {
            text.push_all(String::from_utf8_lossy(content).chars())?;
        }
        tag::NONE => text.push("None")?,
        tag::SOME => enclosed(text, "Some(", content, ")")?,
        tag::TUPLE => tuple(text, content)?,
        tag::LIST => enclosed(text, "[", content, "]")?,
        tag::UNNAMED_STRUCT | tag::NAMED_STRUCT | tag::UNNAMED_VARIANT | tag::NAMED_VARIANT => {
            fields(text, tag, content)?;
        }
        _ => text.push(&scalar(tag, content).unwrap_or_else(|| "?".to_owned()))?,
    }
    Ok(rest)
}

fn enclosed(text: &mut Bounded, open: &str, mut items: &[u8], close: &str) -> Outcome {
    text.push(open)?;
    let mut separator = "";
    while !items.is_empty() {
        text.push(separator)?;
        items = first(text, items)?;
        separator = ", ";
    }
    text.push(close)
}

fn tuple(text: &mut Bounded, items: &[u8]) -> Outcome {
    let single = Value::split(items).is_some_and(|(_, rest)| rest.is_empty());
    enclosed(text, "(", items, if single { ",)" } else { ")" })
}

fn fields(text: &mut Bounded, tag: u8, mut content: &[u8]) -> Outcome {
    content = name(text, content)?;
    if matches!(tag, tag::UNNAMED_VARIANT | tag::NAMED_VARIANT) {
        text.push("::")?;
        content = name(text, content)?;
    }
    if content.is_empty() {
        return Ok(());
    }
    if matches!(tag, tag::UNNAMED_STRUCT | tag::UNNAMED_VARIANT) {
        return enclosed(text, "(", content, ")");
    }
    let mut separator = " { ";
    while !content.is_empty() {
        text.push(separator)?;
        content = name(text, content)?;
        text.push(": ")?;
        content = first(text, content)?;
        separator = ", ";
    }
    text.push(" }")
}

/// Renders a name without quotes; it is encoded as text.
fn name<'a>(text: &mut Bounded, bytes: &'a [u8]) -> Result<&'a [u8], Full> {
    let Some((name, rest)) = Value::split(bytes) else {
        text.push("?")?;
        return Ok(&[]);
    };
    text.push_all(String::from_utf8_lossy(name.content).chars().map(char::escape_debug))?;
    Ok(rest)
}

fn scalar(tag: u8, content: &[u8]) -> Option<String> {
    Some(match tag {
        tag::BOOL => (content == [1]).to_string(),
        tag::DURATION => {
            let (seconds, nanoseconds) = content.split_first_chunk::<8>()?;
            let nanoseconds = u32::from_be_bytes(nanoseconds.try_into().ok()?);
            format!("{:?}", Duration::new(u64::from_be_bytes(*seconds), nanoseconds))
        }
        tag::UUID => uuid::Uuid::from_slice(content).ok()?.hyphenated().to_string(),
        tag::IPV4 => Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?).to_string(),
        tag::IPV6 => Ipv6Addr::from(<[u8; 16]>::try_from(content).ok()?).to_string(),
        _ => return None,
    })
}
