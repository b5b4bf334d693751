//! A value is stored only if it decodes to what it was: the table of `docs/values.md`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dspinlock::{Client, Codec, Json, dspinlock};
use dspinlock_testkit::Reply;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{AppError, redis};

#[dspinlock(client = client, key = (), cached(entry = json_entry))]
fn json<T: Serialize + DeserializeOwned>(client: &Client, value: T) -> Result<T, AppError> {
    Ok(value)
}

#[dspinlock(client = client, key = (), cached(codec = dspinlock::MessagePack, entry = msgpack_entry))]
fn msgpack<T: Serialize + DeserializeOwned>(client: &Client, value: T) -> Result<T, AppError> {
    Ok(value)
}

/// What another process reads after this one has computed `value`, with each codec.
fn stored<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq>(value: &T) -> [Option<T>; 2] {
    let rig = redis();
    json(&rig.ours, value.clone()).unwrap();
    msgpack(&rig.ours, value.clone()).unwrap();
    let json = json_entry(&rig.theirs, value.clone()).unwrap();
    let msgpack = msgpack_entry(&rig.theirs, value.clone()).unwrap();
    [(json.record_key(), json.get_ok_blocking()), (msgpack.record_key(), msgpack.get_ok_blocking())].map(
        |(record, read)| {
            let (server, read) = (rig.server.as_ref().unwrap(), read.unwrap());
            let stands = server.command(&["EXISTS", record, &format!("{{{record}}}:value")]);
            // A value that can't be read is not stored.
            assert_eq!(stands, Reply::Int(if read.is_some() { 2 } else { 0 }));
            read
        },
    )
}

fn is_stored<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq>(value: &T) {
    assert_eq!(stored(value), [Some(value.clone()), Some(value.clone())]);
}

#[test]
fn the_outer_option_is_stored_apart_from_its_content() {
    is_stored(&None::<u8>);
    is_stored(&Some(7_u8));
    is_stored(&None::<Option<u8>>);
    is_stored(&Some(None::<u8>));
    is_stored(&Some(Some(7_u8)));
    is_stored(&None::<()>);
    is_stored(&Some(()));
    is_stored(&Some(serde_json::Value::Null));
    is_stored(&serde_json::Value::Null);
    is_stored(&Some("text".to_owned()));
}

#[test]
fn the_header_says_until_when_the_record_lives() {
    let rig = redis();
    let server = rig.server.as_ref().unwrap();
    json(&rig.ours, 7).unwrap();
    let record = json_entry(&rig.ours, 7).unwrap().record_key().to_owned();
    let Reply::Bytes(value) = server.command(&["GET", &format!("{{{record}}}:value")]) else { panic!() };
    let header = value.split(|&byte| byte == b'\n').next().unwrap();
    let header: serde_json::Value = serde_json::from_slice(header).unwrap();
    // Both are of one moment. `PEXPIRETIME` is not known before 7.0.
    let script = "return redis.call('TIME')[1] * 1000 + redis.call('PTTL', KEYS[1])";
    let ends = server.command(&["EVAL", script, "1", &record]).int().unwrap();
    let apart = i64::try_from(header["until"].as_u64().unwrap()).unwrap() / 1_000 - ends;
    // An hour from before the request, on an estimate of the server's clock.
    assert!(apart.abs() < 60_000, "{apart} ms");
    assert_eq!(header["none"], false);
}

#[test]
fn floats_come_back_to_the_last_digit() {
    is_stored(&117.633_313_911_400_17_f64);
    is_stored(&[f64::MIN_POSITIVE, f64::MAX, f64::EPSILON, -0.0, 5e-324, 0.1 + 0.2]);
    is_stored(&[f32::MIN_POSITIVE, f32::MAX, 0.1]);
    let mut random = fastrand::Rng::with_seed(7);
    let any = |_| f64::from_bits(random.u64(..));
    is_stored(&(0..10_000).map(any).filter(|float| float.is_finite()).collect::<Vec<_>>());
}

/// Whether another process reads the value, for each codec.
fn is_stored_by<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq>(
    json: bool,
    msgpack: bool,
    value: &T,
) {
    let expected = [json, msgpack].map(|is_stored| is_stored.then(|| value.clone()));
    assert_eq!(stored(value), expected);
}

/// A NaN is not equal to itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[test]
fn nan_and_infinity_are_stored_by_a_codec_that_has_them() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        is_stored_by(false, true, &Bits(float));
        // Decoded from JSON's `null`, it would be `None`.
        is_stored_by(false, true, &vec![Some(Bits(float)), None]);
        is_stored_by(false, true, &BTreeMap::from([("key".to_owned(), Bits(float))]));
    }
}

#[test]
fn a_some_none_inside_a_value_is_not_stored() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Deep {
        option: Option<Vec<Option<()>>>,
    }
    let deep = |content| Deep { option: Some(vec![content]) };
    is_stored_by(false, false, &vec![Some(None::<u8>)]);
    is_stored_by(false, false, &deep(Some(())));
    is_stored(&vec![None::<Option<u8>>, Some(Some(7))]);
    is_stored(&deep(None));
}

#[test]
fn wide_integers() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Wide { number: u128 },
    }
    is_stored(&(i128::MIN, u128::MAX, u64::MAX, i64::MIN));
    // serde can't buffer them behind a tag.
    is_stored_by(false, false, &Tagged::Wide { number: u128::MAX });
}

#[test]
fn keys_of_maps() {
    is_stored(&BTreeMap::from([(-7, 'a'), (7, 'b')]));
    is_stored(&BTreeMap::from([(true, 'a')]));
    is_stored(&BTreeMap::from([('x', 'a')]));
    is_stored_by(false, true, &BTreeMap::from([((1, 2), 'a')]));
    is_stored_by(false, true, &BTreeMap::from([(None::<u8>, 'a')]));
    is_stored_by(false, true, &BTreeMap::from([(vec![1], 'a')]));
}

#[test]
fn collections_come_back_in_any_order() {
    let numbers = || 0..1_000_u32;
    is_stored(&numbers().map(|n| (n, n.to_string())).collect::<HashMap<_, _>>());
    is_stored(&numbers().collect::<HashSet<_>>());
    is_stored(&vec![numbers().collect::<HashSet<_>>(); 2]);
}

#[test]
fn bytes_and_other_plain_values() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Plain {
        Unit,
        Newtype(Vec<u8>),
        Tuple(char, Duration),
        Struct { id: u64, at: IpAddr },
    }
    let at = IpAddr::from([127, 0, 0, 1]);
    is_stored(&vec![
        Plain::Unit,
        Plain::Newtype((0..=255).collect()),
        Plain::Tuple('\u{2192}', Duration::MAX),
        Plain::Struct { id: 7, at },
    ]);
    // Both copies of a shared value come back.
    let one = Arc::new(7);
    is_stored(&[Arc::clone(&one), one]);
    is_stored(&serde_json::json!({"a": [1, -1, 1.0, "text", null, {"b": true}]}));
}

#[test]
fn untagged_enums() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Small(u8),
        Float(f64),
        Large(u64),
        Text(String),
        Again(String),
        Wide(u128),
    }
    is_stored(&vec![Untagged::Small(7), Untagged::Text("text".into()), Untagged::Float(0.5)]);
    // serde would decode the first variant that fits.
    is_stored_by(false, false, &Untagged::Large(7));
    is_stored_by(false, false, &Untagged::Large(1 << 40));
    is_stored_by(false, false, &Untagged::Wide(u128::MAX));
    // JSON writes the decimal point, and MessagePack a type.
    is_stored(&Untagged::Float(7.0));
    // What serializes to the same bytes counts as the same.
    let read = [Some(Untagged::Text("text".into())), Some(Untagged::Text("text".into()))];
    assert_eq!(stored(&Untagged::Again("text".into())), read);
}

/// A missing field is a `None`, so the first variant would decode what the second wrote.
#[test]
fn untagged_enums_told_apart_by_the_names_of_fields() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Owner {
        User { user_id: Option<u64> },
        Group { group_id: Option<u64> },
    }
    is_stored(&Owner::User { user_id: None });
    is_stored_by(false, false, &Owner::Group { group_id: None });
}

#[test]
fn fields_that_are_decoded_in_place_of_others() {
    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Point {
        lat: f64,
        lon: f64,
    }
    impl Serialize for Point {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.lon, self.lat).serialize(serializer)
        }
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Crossed {
        #[serde(rename(serialize = "b"))]
        a: u32,
        #[serde(rename(serialize = "a"))]
        b: u32,
    }
    is_stored_by(false, false, &Point { lat: 47.4, lon: 8.5 });
    is_stored_by(false, false, &Crossed { a: 1, b: 2 });
}

#[test]
fn flattened_maps() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Flat<K: Ord> {
        own: u32,
        #[serde(flatten, bound(deserialize = "K: Ord + Deserialize<'de>"))]
        rest: BTreeMap<K, u32>,
    }
    let flat = |key: &str| Flat { own: 1, rest: BTreeMap::from([(key.to_owned(), 2)]) };
    is_stored(&flat("other"));
    is_stored_by(false, false, &flat("own"));
    // JSON's keys are text, which serde does not convert to numbers there.
    is_stored_by(false, true, &Flat { own: 1, rest: BTreeMap::from([(7_u32, 2)]) });
}

#[test]
fn fields_that_are_left_out() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Gaps {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        without_default: Vec<u8>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Hidden {
        seen: u8,
        #[serde(skip)]
        hidden: u8,
    }
    is_stored(&Gaps { without_default: vec![1] });
    is_stored_by(false, false, &Gaps { without_default: Vec::new() });
    // Fields that serde skips can't be compared.
    let read = Some(Hidden { seen: 1, hidden: 0 });
    assert_eq!(stored(&Hidden { seen: 1, hidden: 2 }), [read.clone(), read]);
}

#[test]
fn values_that_serialize_and_deserialize_in_different_forms() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "written"))]
        read: u8,
    }
    is_stored_by(false, false, &Renamed { read: 1 });
}

#[test]
fn deep_values() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);
    let of_depth = |depth| (0..depth).fold(Deep(Vec::new()), |inner, _| Deep(vec![inner]));
    is_stored(&of_depth(100));
    is_stored_by(false, true, &of_depth(200));
}

/// JSON that claims to be faithful although it has no NaN.
struct Trusted;

impl Codec for Trusted {
    const NAME: &'static str = "trusted";
    const FAITHFUL: bool = true;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl std::error::Error> {
        Json::encode(value)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl std::error::Error> {
        Json::decode(bytes)
    }
}

#[dspinlock(client = client, key = (), cached(codec = Trusted, entry = trusted_entry))]
fn trusted<T: Serialize + DeserializeOwned>(client: &Client, value: T) -> Result<T, AppError> {
    Ok(value)
}

#[test]
fn a_codec_that_is_declared_faithful_is_not_checked() {
    let rig = redis();
    let value = vec![Some(f64::NAN)];
    trusted(&rig.ours, value.clone()).unwrap();
    assert_eq!(trusted_entry(&rig.theirs, value).unwrap().get_ok_blocking().unwrap(), Some(vec![None]));
}
