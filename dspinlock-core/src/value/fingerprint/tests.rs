use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

fn fingerprint<T: Serialize + ?Sized>(value: &T) -> u64 {
    inspect(value).unwrap().fingerprint
}

#[test]
fn equal_collections_have_one_fingerprint_in_any_order() {
    let numbers = || 0..1_000_u64;
    let (one, other): (HashSet<_>, HashSet<_>) = (numbers().collect(), numbers().rev().collect());
    assert_eq!(fingerprint(&one), fingerprint(&other));
    let map = |numbers: &mut dyn Iterator<Item = u64>| {
        numbers.map(|n| (n.to_string(), n)).collect::<HashMap<_, _>>()
    };
    assert_eq!(fingerprint(&map(&mut numbers())), fingerprint(&map(&mut numbers().rev())));
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
fn values_that_serde_tells_apart_have_different_fingerprints() {
    let values = [
        fingerprint(&7_u8),
        fingerprint(&7_u64),
        fingerprint(&7_i64),
        fingerprint(&7_u128),
        fingerprint(&7_f64),
        fingerprint(&7_f32),
        fingerprint("7"),
        fingerprint(&'7'),
        fingerprint(&Some(7_u8)),
        fingerprint(&Some(Some(7_u8))),
        fingerprint(&None::<u8>),
        fingerprint(&()),
        fingerprint(&Some(None::<u8>)),
        fingerprint(&[7_u8]),
        fingerprint(&[7_u8, 0]),
        fingerprint(&[0_u8, 7]),
        fingerprint(&Named([("a", 7), ("b", 0)])),
        fingerprint(&Named([("a", 0), ("b", 7)])),
        fingerprint(&Named([("a", 7), ("c", 0)])),
        fingerprint(&[[7_u8], [0]]),
        fingerprint(&BTreeMap::from([(7_u8, 0_u8)])),
        fingerprint(&BTreeMap::from([(0_u8, 7_u8)])),
        fingerprint(&Ok::<u8, u8>(7)),
        fingerprint(&Err::<u8, u8>(7)),
        fingerprint(&0.0_f64),
        fingerprint(&-0.0_f64),
        fingerprint(&json!({"a": 1, "b": 2})),
        fingerprint(&json!({"a": 2, "b": 1})),
    ];
    assert_eq!(HashSet::from(values).len(), values.len());
}

#[test]
fn sees_what_a_codec_may_lose() {
    let seen = |value: &[Option<f64>]| {
        let seen = inspect(value).unwrap();
        (seen.not_finite, seen.some_nothing)
    };
    assert_eq!(seen(&[Some(1.0), None]), (false, false));
    assert_eq!(seen(&[Some(f64::NAN)]), (true, false));
    assert!(inspect(&[Some(None::<f64>)]).unwrap().some_nothing);
    assert!(inspect(&f32::NEG_INFINITY).unwrap().not_finite);
    assert_eq!(fingerprint(&f64::NAN), fingerprint(&-f64::NAN));
}

#[test]
fn text_in_pieces_counts_as_the_whole_text() {
    struct Pieces;
    impl Serialize for Pieces {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}-{}", "one", 2))
        }
    }
    assert_eq!(fingerprint(&Pieces), fingerprint("one-2"));
}

proptest! {
    #[test]
    fn depends_on_the_value_alone(
        one in vec(any::<(Option<i32>, String, u128)>(), 0..8),
        other in vec(any::<(Option<i32>, String, u128)>(), 0..8),
    ) {
        prop_assert_eq!(fingerprint(&one), fingerprint(&one.clone()));
        let sorted = |mut values: Vec<_>| { values.sort_unstable(); values };
        prop_assert_eq!(fingerprint(&one) == fingerprint(&other), sorted(one) == sorted(other));
    }
}
