//! Each side reads the records of the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dspinlock::{ErrorKind, State};
use dspinlock_testkit::Reply;
use serde_json::json;

use crate::pair::Pair;

#[test]
fn a_bare_key_has_the_same_name() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    assert!(python.key.starts_with("dspinlock,"), "{}", python.key);
    assert_eq!(pair.client.lock("example").record_key().unwrap(), python.key);
    // A namespaced key is another one.
    assert_ne!(pair.client.lock("example").namespace("ours").record_key().unwrap(), python.key);
}

#[test]
fn python_reads_ours() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let before = micros(SystemTime::now());
    let guard = pair.rust("example").acquire_blocking().unwrap();
    let after = micros(SystemTime::now());

    let record = pair.get(&python.key).unwrap();
    let blocked = python.unpack(&record).unwrap();
    assert_eq!(blocked["state"], json!(0));
    let (id, owner) = blocked["owner"].as_str().unwrap().split_once('@').unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
    assert!(owner.contains(&std::process::id().to_string()), "{owner} says which process holds it");
    // The server uses this machine's clock. Ours is an estimate of that, off by at most half a round trip.
    let written = u128::from(blocked["micros"].as_u64().unwrap());
    let tolerance = Duration::from_millis(100).as_micros();
    assert!(
        before - tolerance <= written && written <= after + tolerance,
        "{before} <= {written} <= {after}"
    );

    guard.release_blocking().unwrap();
    let computed = python.unpack(&pair.get(&python.key).unwrap()).unwrap();
    assert_eq!(computed["state"], json!(1));
    assert_eq!(computed["tag"], blocked["tag"]);
}

#[test]
fn we_read_pythons() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    assert!(pair.rust("example").inspect_blocking().unwrap().is_none());
    python.enter().unwrap();
    let written = python.unpack(&format!("{},0", python.tag)).unwrap();

    let seen = pair.rust("example").inspect_blocking().unwrap().unwrap();
    assert_eq!(seen.state(), State::Blocked);
    assert!(seen.holder().contains(written["owner"].as_str().unwrap()), "{seen:?}");
    assert_eq!(micros(seen.since()), u128::from(written["micros"].as_u64().unwrap()));
    let hour = Duration::from_secs(3600);
    let remaining = seen.remaining().unwrap();
    assert!(remaining <= hour + Duration::from_secs(1) && remaining > hour / 2, "{remaining:?}");

    python.leave().unwrap();
    let seen = pair.rust("example").inspect_blocking().unwrap().unwrap();
    assert_eq!(seen.state(), State::Computed);
}

#[test]
fn neither_side_reads_a_malformed_record() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let now = "2026-01-31T23:59:59.000123+00:00";
    for (record, class) in [
        ("hello".to_owned(), "InvalidValueEncounteredDuringUnpacking"),
        (format!("a,{now}"), "InvalidValueEncounteredDuringUnpacking"),
        (format!("a,{now},0,0"), "InvalidValueEncounteredDuringUnpacking"),
        (format!("a,{now},7"), "AtomicQueryInvalidStateException"),
        (format!("a,{now},held"), "ValueError"),
        ("a,yesterday,0".to_owned(), "ValueError"),
    ] {
        assert!(pair.server.command(&["SET", &python.key, &record]).is_ok());
        assert_eq!(python.enter().unwrap_err().class, class, "{record}");
        let error = pair.rust("example").acquire_blocking().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{record}: {error}");
        assert!(error.to_string().contains("example"), "{error} names the key");
        assert_eq!(pair.get(&python.key), Some(record), "nothing was overwritten");
    }

    // Not UTF-8, and no string: Python's client raises before py-dspinlock sees it.
    let bytes = b"\xff\xfe,x,0";
    assert!(pair.server.command(&[b"SET", python.key.as_bytes(), bytes]).is_ok());
    assert_eq!(python.enter().unwrap_err().class, "UnicodeDecodeError");
    assert_eq!(pair.rust("example").acquire_blocking().unwrap_err().kind(), ErrorKind::Foreign);
    assert_eq!(pair.server.command(&["GET", &python.key]), Reply::Bytes(bytes.to_vec()));

    assert_eq!(pair.server.command(&["DEL", &python.key]), Reply::Int(1));
    assert_eq!(pair.server.command(&["LPUSH", &python.key, "item"]), Reply::Int(1));
    assert_eq!(python.enter().unwrap_err().class, "ResponseError");
    assert_eq!(pair.rust("example").acquire_blocking().unwrap_err().kind(), ErrorKind::Foreign);
    assert_eq!(pair.server.command(&["LLEN", &python.key]), Reply::Int(1));
}

fn micros(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_micros()
}
