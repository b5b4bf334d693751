use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

fn print<T: Serialize + ?Sized>(value: &T) -> u64 {
    look(value).unwrap().print
}

#[test]
fn equal_collections_have_one_print_in_any_order() {
    let numbers = || 0..1_000_u64;
    let (one, other): (HashSet<_>, HashSet<_>) = (numbers().collect(), numbers().rev().collect());
    assert_eq!(print(&one), print(&other));
    let map = |numbers: &mut dyn Iterator<Item = u64>| {
        numbers.map(|n| (n.to_string(), n)).collect::<HashMap<_, _>>()
    };
    assert_eq!(print(&map(&mut numbers())), print(&map(&mut numbers().rev())));
}

struct Named([(&'static str, u8); 2]);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Named", 2)?;
        for (name, value) in self.0 {
            ser::SerializeStruct::serialize_field(&mut fields, name, &value)?;
        }
        ser::SerializeStruct::end(fields)
    }
}

#[test]
fn what_serde_tells_apart_has_another_print() {
    let values = [
        print(&7_u8),
        print(&7_u64),
        print(&7_i64),
        print(&7_u128),
        print(&7_f64),
        print(&7_f32),
        print("7"),
        print(&'7'),
        print(&Some(7_u8)),
        print(&Some(Some(7_u8))),
        print(&None::<u8>),
        print(&()),
        print(&Some(None::<u8>)),
        print(&[7_u8]),
        print(&[7_u8, 0]),
        print(&[0_u8, 7]),
        print(&Named([("a", 7), ("b", 0)])),
        print(&Named([("a", 0), ("b", 7)])),
        print(&Named([("a", 7), ("c", 0)])),
        print(&[[7_u8], [0]]),
        print(&BTreeMap::from([(7_u8, 0_u8)])),
        print(&BTreeMap::from([(0_u8, 7_u8)])),
        print(&Ok::<u8, u8>(7)),
        print(&Err::<u8, u8>(7)),
        print(&0.0_f64),
        print(&-0.0_f64),
        print(&json!({"a": 1, "b": 2})),
        print(&json!({"a": 2, "b": 1})),
    ];
    assert_eq!(HashSet::from(values).len(), values.len());
}

#[test]
fn what_a_codec_may_lose_is_seen() {
    let seen = |value: &[Option<f64>]| {
        let seen = look(value).unwrap();
        (seen.not_finite, seen.some_nothing)
    };
    assert_eq!(seen(&[Some(1.0), None]), (false, false));
    assert_eq!(seen(&[Some(f64::NAN)]), (true, false));
    assert!(look(&[Some(None::<f64>)]).unwrap().some_nothing);
    assert!(look(&f32::NEG_INFINITY).unwrap().not_finite);
    assert_eq!(print(&f64::NAN), print(&-f64::NAN));
}

#[test]
fn text_in_pieces_is_the_text() {
    struct Pieces;
    impl Serialize for Pieces {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}-{}", "one", 2))
        }
    }
    assert_eq!(print(&Pieces), print("one-2"));
}

proptest! {
    #[test]
    fn is_that_of_the_value_alone(
        one in vec(any::<(Option<i32>, String, u128)>(), 0..8),
        other in vec(any::<(Option<i32>, String, u128)>(), 0..8),
    ) {
        prop_assert_eq!(print(&one), print(&one.clone()));
        let sorted = |mut values: Vec<_>| { values.sort_unstable(); values };
        prop_assert_eq!(print(&one) == print(&other), sorted(one) == sorted(other));
    }
}
