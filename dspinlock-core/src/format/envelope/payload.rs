//! A value without its envelope.

use crate::clock::Tick;
use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A value as it was found or computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) payload: Payload,
    /// The COMPUTED record that the value belongs to, where it was read with one.
    pub(crate) record: Option<Arc<[u8]>>,
    /// When that record expires, where that is known.
    pub(crate) until: Option<Tick>,
}

impl Stored {
    /// A value without its record.
    pub(crate) fn alone(payload: Payload) -> Self {
        Self { payload, record: None, until: None }
    }
}

/// The encoded value. Clones share the bytes, and the value once one of them has decoded it.
#[derive(Clone)]
pub struct Payload {
    encoded: Encoded,
    decoded: Arc<OnceLock<Decoded>>,
}

/// The encoded form of a value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Encoded {
    Bytes(Bytes),
    /// The value is `None`: the outer `Option` is not encoded.
    None,
    /// The value can't be encoded, and is only shared in memory.
    Not,
}

/// A decoded value that its readers share.
type Decoded = Arc<dyn Any + Send + Sync>;

impl Payload {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        Self { encoded: Encoded::Bytes(bytes.into()), decoded: Arc::default() }
    }

    /// The value `None`.
    pub(crate) fn none() -> Self {
        Self { encoded: Encoded::None, decoded: Arc::default() }
    }

    /// A value that can't be encoded, for its readers in this process.
    pub(crate) fn in_memory<T: Send + Sync + 'static>(value: &Arc<T>) -> Self {
        let payload = Self { encoded: Encoded::Not, decoded: Arc::default() };
        payload.keep(value);
        payload
    }

    pub(crate) fn encoded(&self) -> &Encoded {
        &self.encoded
    }

    /// The encoded bytes, if there are any.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        if let Encoded::Bytes(bytes) = &self.encoded { Some(bytes) } else { None }
    }

    /// The number of encoded bytes.
    pub(crate) fn len(&self) -> usize {
        self.content().map_or(0, <[u8]>::len)
    }

    /// The shared value, which the first reader decodes.
    pub(crate) fn share<T: Send + Sync + 'static>(
        &self,
        decode: impl FnOnce(&Self) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        if let Some(Ok(shared)) = self.decoded.get().map(|decoded| Arc::clone(decoded).downcast()) {
            return Ok(shared);
        }
        let value = Arc::new(decode(self)?);
        self.keep(&value);
        Ok(value)
    }

    /// The shared value, if a reader has decoded it.
    pub(crate) fn decoded(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.decoded.get().map(|value| &**value)
    }

    /// Whether one is a clone of the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.decoded, &other.decoded)
    }

    /// Lets readers share this value, from which the bytes were made.
    pub(crate) fn keep<T: Send + Sync + 'static>(&self, value: &Arc<T>) {
        // If two readers decode at the same moment, each keeps its own.
        let _ = self.decoded.set(Arc::clone(value) as Decoded);
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Users' values do not belong in a log.
        write!(f, "Payload({} bytes)", self.len())
    }
}
