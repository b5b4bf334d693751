//! Known answers. The encoding is frozen: a change of any of these breaks every lock in use.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::format::key::{Key, KeyEncoder, LockKey};

/// A value by the table of the encoding: a tag, eight bytes of length, the content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0, 0, 0, 0, 0, 0, 0, u8::try_from(content.len()).unwrap()], content].concat()
}

fn key(value: &[u8]) -> Vec<u8> {
    [&[1], value].concat()
}

#[track_caller]
fn encodes(made_of: impl LockKey, expected: &[u8]) {
    let made = Key::new(&made_of);
    assert_eq!(made.canonical(), key(expected), "{made}");
}

#[test]
fn values_without_parts_have_the_documented_bytes() {
    encodes("acme", b"t\0\0\0\0\0\0\0\x04acme");
    encodes("", b"t\0\0\0\0\0\0\0\0");
    encodes(*b"\0\xff", b"y\0\0\0\0\0\0\0\x02\0\xff");
    encodes(-42, b"i\0\0\0\0\0\0\0\x03-42");
    encodes(true, b"b\0\0\0\0\0\0\0\x01\x01");
    encodes(false, b"b\0\0\0\0\0\0\0\x01\0");
    encodes(Duration::new(258, 3), b"p\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\x01\x02\0\0\0\x03");
    encodes(Ipv4Addr::LOCALHOST, b"4\0\0\0\0\0\0\0\x04\x7f\0\0\x01");
    encodes(IpAddr::V6(Ipv6Addr::LOCALHOST), &value(b'6', &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
    encodes(None::<u8>, b"n\0\0\0\0\0\0\0\0");
    encodes((), b"(\0\0\0\0\0\0\0\0");
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_its_bytes_and_is_shown_as_text() {
    let uuid = uuid::uuid!("00112233-4455-6677-8899-aabbccddeeff");
    encodes(uuid, &value(b'u', uuid.as_bytes()));
    assert_eq!(Key::new(&uuid).to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    assert_ne!(Key::new(&uuid), Key::new(uuid.as_bytes()));
}

#[test]
fn a_length_has_eight_bytes() {
    let long = Key::new(&"x".repeat(66_051));
    assert_eq!(long.canonical()[..11], *b"\x01t\0\0\0\0\0\x01\x02\x03x");
}

#[test]
fn values_with_parts_have_the_documented_bytes() {
    let (a, five) = (value(b't', b"a"), value(b'i', b"5"));
    encodes(("a", 5), &value(b'(', &[a.clone(), five.clone()].concat()));
    encodes((5,), &value(b'(', &five));
    encodes(["a", "a"], &value(b'[', &[a.clone(), a.clone()].concat()));
    encodes(Some("a"), &value(b'o', &a));
    encodes(Some(None::<u8>), &value(b'o', &value(b'n', b"")));
    encodes(BTreeMap::from([("a", 5)]), &value(b'[', &value(b'(', &[a, five].concat())));
}

#[test]
fn the_longest_tuple_keeps_all_its_items() {
    let items: Vec<u8> = (1..=12).flat_map(|n| value(b'i', n.to_string().as_bytes())).collect();
    encodes((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), &value(b'(', &items));
}

#[test]
fn equal_integers_of_all_types_are_the_same_key() {
    let five = value(b'i', b"5");
    encodes(5_u8, &five);
    encodes(5_i8, &five);
    encodes(5_u16, &five);
    encodes(5_i16, &five);
    encodes(5_u32, &five);
    encodes(5_i32, &five);
    encodes(5_u64, &five);
    encodes(5_i64, &five);
    encodes(5_u128, &five);
    encodes(5_i128, &five);
    encodes(5_usize, &five);
    encodes(5_isize, &five);
    encodes(NonZero::new(5_u64).unwrap(), &five);
    encodes(u128::MAX, &value(b'i', b"340282366920938463463374607431768211455"));
    encodes(i128::MIN, &value(b'i', b"-170141183460469231731687303715884105728"));
}

#[test]
fn equal_text_in_all_containers_is_the_same_key() {
    let text = value(b't', b"a");
    encodes('a', &text);
    encodes(String::from("a"), &text);
    encodes(Box::<str>::from("a"), &text);
    encodes(Rc::<str>::from("a"), &text);
    encodes(Arc::new(String::from("a")), &text);
    encodes(Cow::Borrowed("a"), &text);
    encodes(Cow::<str>::Owned("a".into()), &text);
    assert_eq!(Key::new(&'☃'), Key::new("☃"));
    assert_eq!(Key::new(&(&&"a", &mut String::from("b"))), Key::new(&("a", "b")));
}

#[test]
fn equal_bytes_and_lists_in_all_containers_are_the_same_key() {
    let bytes = value(b'y', b"ab");
    encodes([b'a', b'b'], &bytes);
    encodes(vec![b'a', b'b'], &bytes);
    encodes(&b"ab"[..], &bytes);
    encodes(Box::<[u8]>::from(*b"ab"), &bytes);
    encodes(Cow::Borrowed(&b"ab"[..]), &bytes);
    encodes(Vec::<u8>::new(), &value(b'y', b""));

    let list = value(b'[', &[value(b'i', b"1"), value(b'i', b"2")].concat());
    encodes([1, 2], &list);
    encodes(vec![1_u16, 2], &list);
    encodes(&[1_i64, 2][..], &list);
    encodes(BTreeSet::from([2_u8, 1]), &list);
    encodes(Vec::<u16>::new(), &value(b'[', b""));
}

#[test]
fn similar_values_are_different_keys() {
    let keys = [
        Key::new("5"),
        Key::new(b"5"),
        Key::new(&5),
        Key::new(&(5,)),
        Key::new(&[5]),
        Key::new(&Some(5)),
        Key::new(&Some(Some(5))),
        Key::new(&None::<u8>),
        Key::new(&Some(None::<u8>)),
        Key::new(&()),
        Key::new(""),
        Key::new(&[0_u8; 0]),
        Key::new(&[0_u16; 0]),
        Key::new(&0),
        Key::new(&false),
        Key::new(&(("a",), "b")),
        Key::new(&("a", ("b",))),
        Key::new(&("a", "b")),
        Key::new(&(("a", "b"),)),
        Key::new(&["a", "b"]),
        Key::new("ab"),
        Key::new(&("ab", "")),
        Key::new(&("", "ab")),
    ];
    for (index, one) in keys.iter().enumerate() {
        for other in &keys[..index] {
            assert_ne!(one, other);
            assert_ne!(one.namespaced_uid(), other.namespaced_uid());
        }
    }
}

/// Writes any number of values.
struct Parts(Vec<&'static str>);

impl LockKey for Parts {
    fn encode(&self, encoder: &mut KeyEncoder) {
        self.0.iter().for_each(|part| part.encode(encoder));
    }
}

#[test]
fn several_values_written_by_hand_are_a_tuple() {
    assert_eq!(Key::new(&Parts(vec![])), Key::new(&()));
    assert_eq!(Key::new(&Parts(vec!["a"])), Key::new("a"));
    assert_eq!(Key::new(&Parts(vec!["a", "b"])), Key::new(&("a", "b")));
    assert_eq!(
        Key::new(&(Parts(vec!["a", "b"]), Parts(vec![]), Parts(vec!["c"]))),
        Key::new(&(("a", "b"), (), "c"))
    );
    assert_ne!(
        Key::new(&(Parts(vec!["a"]), Parts(vec!["b", "c"]))),
        Key::new(&(Parts(vec!["a", "b"]), Parts(vec!["c"])))
    );
    assert_eq!(Key::new(&Some(Parts(vec!["a", "b"]))), Key::new(&Some(("a", "b"))));
}

#[test]
fn no_value_written_by_hand_is_an_empty_tuple() {
    struct NothingAnd(u8);
    impl LockKey for NothingAnd {
        fn encode(&self, encoder: &mut KeyEncoder) {
            ().encode(encoder);
            self.0.encode(encoder);
        }
    }
    assert_eq!(Key::new(&NothingAnd(5)), Key::new(&((), 5)));
}

#[test]
fn a_key_is_the_key_of_its_value() {
    let day = Key::new(&("acme", 5));
    assert_eq!(Key::new(&day), day);
    assert_eq!(Key::new(&(&day, 1)), Key::new(&(("acme", 5), 1)));
}

#[test]
fn ten_megabytes_of_text_are_copied_once() {
    let text = "é".repeat(5 << 20);
    let key = Key::new(&text);
    assert_eq!(key.canonical().len(), text.len() + 10);
    assert!(key.bytes.capacity() < text.len() + 64, "{} bytes reserved", key.bytes.capacity());
    assert_eq!(key.canonical()[10..], *text.as_bytes());
}
