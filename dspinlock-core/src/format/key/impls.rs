//! [`LockKey`] for types of std.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::encoder::tag;
use super::{KeyEncoder, LockKey};

impl LockKey for str {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.leaf(tag::TEXT, self.as_bytes());
    }
}

impl LockKey for String {
    fn encode(&self, encoder: &mut KeyEncoder) {
        self.as_str().encode(encoder);
    }
}

/// Text of one character, as in Python.
impl LockKey for char {
    fn encode(&self, encoder: &mut KeyEncoder) {
        self.encode_utf8(&mut [0; 4]).encode(encoder);
    }
}

impl LockKey for bool {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.leaf(tag::BOOL, &[u8::from(*self)]);
    }
}

macro_rules! integers {
    ($($(#[$only:ident])? $integer:ident),+) => {$(
        impl LockKey for $integer {
            fn encode(&self, encoder: &mut KeyEncoder) {
                encoder.leaf(tag::INTEGER, itoa::Buffer::new().format(*self).as_bytes());
            }

            $(integers! { @$only })?
        }

        impl LockKey for NonZero<$integer> {
            fn encode(&self, encoder: &mut KeyEncoder) {
                self.get().encode(encoder);
            }
        }
    )+};
    (@bytes) => {
        fn encode_slice(items: &[Self], encoder: &mut KeyEncoder) {
            encoder.leaf(tag::BYTES, items);
        }
    };
}

integers!(
    #[bytes]
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize
);

impl<T: LockKey> LockKey for [T] {
    fn encode(&self, encoder: &mut KeyEncoder) {
        T::encode_slice(self, encoder);
    }
}

impl<T: LockKey, const N: usize> LockKey for [T; N] {
    fn encode(&self, encoder: &mut KeyEncoder) {
        self.as_slice().encode(encoder);
    }
}

impl<T: LockKey> LockKey for Vec<T> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        self.as_slice().encode(encoder);
    }
}

/// A list in ascending order. A `HashSet` is not a key, since its order differs from process to process.
impl<T: LockKey> LockKey for BTreeSet<T> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.list(self);
    }
}

/// A list of pairs in ascending order. A `HashMap` is not a key, since its order differs from process to process.
impl<K: LockKey, V: LockKey> LockKey for BTreeMap<K, V> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.list(self);
    }
}

/// `Some(x)` and `x` are different keys, so that nested options stay apart.
impl<T: LockKey> LockKey for Option<T> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        match self {
            None => encoder.leaf(tag::NONE, &[]),
            Some(value) => encoder.group(tag::SOME, |encoder| encoder.item(value)),
        }
    }
}

macro_rules! pointers {
    ($($pointer:ty),+) => {$(
        impl<T: LockKey + ?Sized> LockKey for $pointer {
            fn encode(&self, encoder: &mut KeyEncoder) {
                T::encode(self, encoder);
            }
        }
    )+};
}

pointers!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: LockKey + ToOwned + ?Sized> LockKey for Cow<'_, T> {
    fn encode(&self, encoder: &mut KeyEncoder) {
        T::encode(self, encoder);
    }
}

impl LockKey for () {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.group(tag::TUPLE, |_| ());
    }
}

macro_rules! tuples {
    ($($item:ident . $index:tt),+) => {
        tuples! { @upto () $($item . $index),+ }
    };
    (@upto ($($done:ident . $at:tt),*) $item:ident . $index:tt $(, $more:ident . $later:tt)*) => {
        impl<$($done: LockKey,)* $item: LockKey> LockKey for ($($done,)* $item,) {
            fn encode(&self, encoder: &mut KeyEncoder) {
                encoder.group(tag::TUPLE, |encoder| {
                    $(encoder.item(&self.$at);)*
                    encoder.item(&self.$index);
                });
            }
        }

        tuples! { @upto ($($done . $at,)* $item . $index) $($more . $later),* }
    };
    (@upto ($($done:ident . $at:tt),*)) => {};
}

tuples!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10, L.11);

impl LockKey for Duration {
    fn encode(&self, encoder: &mut KeyEncoder) {
        let mut content = [0; 12];
        content[..8].copy_from_slice(&self.as_secs().to_be_bytes());
        content[8..].copy_from_slice(&self.subsec_nanos().to_be_bytes());
        encoder.leaf(tag::DURATION, &content);
    }
}

impl LockKey for Ipv4Addr {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.leaf(tag::IPV4, &self.octets());
    }
}

impl LockKey for Ipv6Addr {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.leaf(tag::IPV6, &self.octets());
    }
}

impl LockKey for IpAddr {
    fn encode(&self, encoder: &mut KeyEncoder) {
        match self {
            Self::V4(address) => address.encode(encoder),
            Self::V6(address) => address.encode(encoder),
        }
    }
}

#[cfg(feature = "uuid")]
impl LockKey for uuid::Uuid {
    fn encode(&self, encoder: &mut KeyEncoder) {
        encoder.leaf(tag::UUID, self.as_bytes());
    }
}
