//! The number that is a fingerprint.

use std::hash::{DefaultHasher, Hasher};

/// The fingerprint of one value, or of a part of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u64);

/// The kind of a value, apart from its content.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Bool = 1,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    None,
    Some,
    Unit,
    Variant,
    Several,
    Entry,
}

impl Fingerprint {
    pub(super) const NONE: Self = Self::of(Kind::None, 0);
    pub(super) const UNIT: Self = Self::of(Kind::Unit, 0);

    /// The finalizer of `SplitMix64`: each bit of the input changes half of the output.
    pub(super) const fn of(kind: Kind, content: u64) -> Self {
        let mut z = content.wrapping_add((kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(z ^ (z >> 31))
    }

    pub(super) fn of_bytes(kind: Kind, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self::of(kind, hasher.finish())
    }

    pub(super) fn of_variant(index: u32, content: Self) -> Self {
        Self::of(Kind::Variant, content.0 ^ Self::of(Kind::U32, index.into()).0)
    }
}
