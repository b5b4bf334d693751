//! A value is stored only if it reads back as it was: the table of `docs/values.md`.

use std::fmt::Debug;

use dspinlock::{Client, MessagePack, dspinlock};
use dspinlock_testkit::Reply;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{AppError, redis};

#[dspinlock(client = client, key = (), cached(entry = json_entry))]
fn json<T: Serialize + DeserializeOwned>(client: &Client, value: T) -> Result<T, AppError> {
    Ok(value)
}

#[dspinlock(client = client, key = (), cached(codec = MessagePack, entry = msgpack_entry))]
fn msgpack<T: Serialize + DeserializeOwned>(client: &Client, value: T) -> Result<T, AppError> {
    Ok(value)
}

/// What another process reads once this one has computed `value`, by either codec.
fn stored<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq>(value: &T) -> [Option<T>; 2] {
    let rig = redis();
    let entries = || {
        let of = (value.clone(), value.clone());
        (json_entry(&rig.theirs, of.0).unwrap(), msgpack_entry(&rig.theirs, of.1).unwrap())
    };
    json(&rig.ours, value.clone()).unwrap();
    msgpack(&rig.ours, value.clone()).unwrap();
    let (json, msgpack) = entries();
    [json.peek_blocking().unwrap(), msgpack.peek_blocking().unwrap()]
}

fn is_stored<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq>(value: &T) {
    assert_eq!(stored(value), [Some(value.clone()), Some(value.clone())]);
}

#[test]
fn the_outer_option_is_apart_from_its_content() {
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
    let Reply::Int(ends) = server.command(&["PEXPIRETIME", &record]) else { panic!() };
    let apart = i64::try_from(header["until"].as_u64().unwrap()).unwrap() / 1_000 - ends;
    // Of an hour: it is counted from before the request, on an estimate of the server's clock.
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
