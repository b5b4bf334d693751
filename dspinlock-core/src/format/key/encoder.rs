//! Writes and splits canonical encodings; the table of [`Key`](super::Key) says what the bytes mean.

/// A value that can be the key of a lock.
///
/// Text, bytes, integers, `bool`, `char` and date-times are keys, and so are tuples, lists and options of them.
/// `#[derive(LockKey)]` makes a key of a type of your own.
///
/// # Examples
///
/// ```
/// use dspinlock::{Client, LockKey};
///
/// #[derive(LockKey)]
/// struct Report { tenant: String, year: u16 }
///
/// let client = Client::memory();
/// let report = Report { tenant: "acme".into(), year: 2026 };
/// client.lock(&report).acquire_blocking()?.release_blocking()?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
///
/// An implementation by hand encodes the parts that identify the value. Several parts count as a tuple, in their order:
///
/// ```
/// use dspinlock::{Key, KeyEncoder, LockKey};
///
/// struct Report { tenant: String, year: u16, title: String }
///
/// impl LockKey for Report {
///     fn encode(&self, encoder: &mut KeyEncoder) {
///         self.tenant.encode(encoder);
///         self.year.encode(encoder);
///     }
/// }
///
/// let report = Report { tenant: "acme".into(), year: 2026, title: "Figures".into() };
/// assert_eq!(Key::new(&report), Key::new(&("acme", 2026)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a lock key",
    label = "`LockKey` is not implemented for this",
    note = "text, bytes, integers, `bool`, `char`, date-times, and tuples, lists and options of them are keys",
    note = "write `#[derive(LockKey)]` on a type of your own, or pass what identifies the value: its id or its text",
    note = "floats are not keys: pass a rounded integer, or their text; date-times and `Uuid` need the feature of their crate"
)]
pub trait LockKey {
    /// Writes the value, or calls `encode` on the parts that identify it.
    ///
    /// The written bytes must depend on the value only, never on the process, the time or an address. Write a part of
    /// variable length as one list (`self.names.as_slice().encode(encoder)`), not item by item: otherwise, the items of two
    /// neighbouring parts run together.
    fn encode(&self, encoder: &mut KeyEncoder);

    /// Writes a list of such values. Only `u8` overrides this, since a list of `u8` is bytes.
    #[doc(hidden)]
    fn encode_slice(items: &[Self], encoder: &mut KeyEncoder)
    where
        Self: Sized,
    {
        encoder.list(items);
    }
}

/// The first byte of every key. A new encoding has a new version.
pub(super) const VERSION: u8 = 1;

/// A tag and the eight bytes of a length.
const HEADER: usize = 9;

/// The tags of values.
pub(super) mod tag {
    pub(crate) const TEXT: u8 = b't';
    pub(crate) const BYTES: u8 = b'y';
    pub(crate) const INTEGER: u8 = b'i';
    pub(crate) const BOOL: u8 = b'b';
    pub(crate) const DATE_TIME: u8 = b'd';
    pub(crate) const DATE: u8 = b'D';
    pub(crate) const TIME: u8 = b'T';
    pub(crate) const DURATION: u8 = b'p';
    pub(crate) const UUID: u8 = b'u';
    pub(crate) const IPV4: u8 = b'4';
    pub(crate) const IPV6: u8 = b'6';
    pub(crate) const NONE: u8 = b'n';
    pub(crate) const SOME: u8 = b'o';
    pub(crate) const TUPLE: u8 = b'(';
    pub(crate) const LIST: u8 = b'[';
    pub(crate) const UNNAMED_STRUCT: u8 = b'S';
    pub(crate) const NAMED_STRUCT: u8 = b's';
    pub(crate) const UNNAMED_VARIANT: u8 = b'V';
    pub(crate) const NAMED_VARIANT: u8 = b'v';
}

/// Collects the canonical encoding of a value.
///
/// An implementation of [`LockKey`] passes it to the `encode` of its parts.
#[derive(Debug)]
pub struct KeyEncoder {
    bytes: Vec<u8>,
    /// The number of values that the innermost [`item`](Self::item) has written: exactly one belongs there.
    written: usize,
}

impl KeyEncoder {
    /// Appends the canonical bytes of a value.
    pub(super) fn append_key(mut bytes: Vec<u8>, value: &(impl LockKey + ?Sized)) -> Vec<u8> {
        bytes.push(VERSION);
        let mut encoder = Self { bytes, written: 0 };
        encoder.item(value);
        encoder.bytes
    }

    /// Writes a value without parts.
    pub(super) fn leaf(&mut self, tag: u8, content: &[u8]) {
        self.bytes.reserve(HEADER + content.len());
        self.bytes.extend_from_slice(&header(tag, content.len()));
        self.bytes.extend_from_slice(content);
        self.written += 1;
    }

    /// Writes a value that consists of the values that `parts` writes.
    pub(super) fn group(&mut self, tag: u8, parts: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&header(tag, 0));
        let outer = self.written;
        parts(self);
        self.written = outer + 1;
        let content = self.bytes.len() - start - HEADER;
        self.bytes[start..start + HEADER].copy_from_slice(&header(tag, content));
    }

    /// Writes one part of a group. The output of its `encode` becomes exactly one value, so that the parts of neighbours
    /// stay apart: several values become a tuple, and none becomes `()`.
    pub(super) fn item(&mut self, value: &(impl LockKey + ?Sized)) {
        let start = self.bytes.len();
        // The group restores the count when it ends.
        self.written = 0;
        value.encode(self);
        if self.written != 1 {
            let content = self.bytes.len() - start;
            self.bytes.splice(start..start, header(tag::TUPLE, content));
        }
    }

    /// Writes a list.
    pub(super) fn list(&mut self, items: impl IntoIterator<Item: LockKey>) {
        self.group(tag::LIST, |encoder| encoder.items(items));
    }

    fn items(&mut self, items: impl IntoIterator<Item: LockKey>) {
        for item in items {
            self.item(&item);
        }
    }

    /// Writes a value that is already encoded.
    pub(super) fn encoded(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.written += 1;
    }

    /// Writes a derived struct, or a variant if there are two names, with unnamed fields.
    #[doc(hidden)]
    pub fn unnamed_fields(&mut self, names: &[&str], fields: &[&dyn LockKey]) {
        let tag = if names.len() == 1 { tag::UNNAMED_STRUCT } else { tag::UNNAMED_VARIANT };
        self.group(tag, |encoder| {
            encoder.items(names);
            encoder.items(fields);
        });
    }

    /// Writes a derived struct, or a variant if there are two names, whose fields are sorted by their names.
    #[doc(hidden)]
    pub fn named_fields(&mut self, names: &[&str], fields: &[(&str, &dyn LockKey)]) {
        let tag = if names.len() == 1 { tag::NAMED_STRUCT } else { tag::NAMED_VARIANT };
        self.group(tag, |encoder| {
            encoder.items(names);
            for (name, field) in fields {
                encoder.item(*name);
                encoder.item(*field);
            }
        });
    }
}

fn header(tag: u8, length: usize) -> [u8; HEADER] {
    let mut header = [tag; HEADER];
    header[1..].copy_from_slice(&(length as u64).to_be_bytes());
    header
}

/// One encoded value, split into tag and content.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

impl<'a> Value<'a> {
    /// Splits off the first value; returns it and the bytes after it.
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [tag, length @ ..] = *header;
        let length = usize::try_from(u64::from_be_bytes(length)).ok()?;
        let (content, rest) = rest.split_at_checked(length)?;
        Some((Self { tag, content }, rest))
    }
}
