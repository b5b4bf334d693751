//! Values that are not stored, and stored values that are misses: both are computed again.

use dspinlock::{Client, Codec, Json, dspinlock};
use dspinlock_tests::Log;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{AppError, Runs, redis, rigs};

#[dspinlock(client = client, key = (), cached(if = |values| values.len() > 1, entry = kept_entry))]
fn kept_if_long(client: &Client, length: usize, runs: &Runs) -> Result<Vec<u32>, AppError> {
    let run = runs.run()?;
    Ok(vec![run; length])
}

#[dspinlock(client = client, key = (), cached(if = Option::is_some), on_error = |error| panic!("{error}"))]
async fn kept_if_found(client: &Client, runs: &Runs) -> Option<u32> {
    let run = runs.run().ok()?;
    (run > 2).then_some(run)
}

#[dspinlock(client = client, key = (), cached(max_value = "32B", entry = small_entry))]
fn small(client: &Client, length: usize, runs: &Runs) -> Result<String, AppError> {
    runs.run()?;
    Ok("x".repeat(length))
}

#[dspinlock(client = client, key = (), cached(max_value = length))]
fn small_as_told(client: &Client, length: usize, runs: &Runs) -> Result<String, AppError> {
    runs.run()?;
    Ok("x".repeat(10))
}

/// Two releases of one function.
mod releases {
    use super::{AppError, Client, Runs, dspinlock};

    #[dspinlock(client = client, key = (), namespace = "usage", cached(schema = "usage-1"))]
    pub(crate) fn first(client: &Client, runs: &Runs) -> Result<(u32, u32), AppError> {
        Ok((runs.run()?, 1))
    }

    #[dspinlock(client = client, key = (), namespace = "usage", cached(schema = "usage-2"))]
    pub(crate) fn second(client: &Client, runs: &Runs) -> Result<(u32, u32), AppError> {
        Ok((runs.run()?, 2))
    }

    /// Another type of the same form: the schema says that they are the same.
    #[dspinlock(client = client, key = (), namespace = "usage", cached(schema = "usage-2"))]
    pub(crate) fn third(client: &Client, runs: &Runs) -> Result<[u32; 2], AppError> {
        Ok([runs.run()?, 3])
    }

    /// Its schema is the name of the type, and `Vec` is not an array.
    #[dspinlock(client = client, key = (), namespace = "usage", cached)]
    pub(crate) fn by_type(client: &Client, runs: &Runs) -> Result<Vec<u32>, AppError> {
        Ok(vec![runs.run()?, 4])
    }
}

#[dspinlock(client = client, key = (), cached(codec = dspinlock::MessagePack, entry = packed_entry))]
fn packed(client: &Client, runs: &Runs) -> Result<(u32, String), AppError> {
    Ok((runs.run()?, "packed".into()))
}

/// A user's own codec: JSON backwards.
struct Sealed;

impl Codec for Sealed {
    const NAME: &'static str = "sealed";

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl std::error::Error> {
        Json::encode(value).map(|bytes| bytes.iter().rev().copied().collect())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl std::error::Error> {
        let bytes: Vec<u8> = bytes.iter().rev().copied().collect();
        Json::decode(&bytes).map_err(|error| std::io::Error::other(error.to_string()))
    }
}

#[dspinlock(client = client, key = (), cached(codec = Sealed, entry = sealed_entry))]
fn sealed(client: &Client, runs: &Runs) -> Result<(u32, String), AppError> {
    Ok((runs.run()?, "sealed".into()))
}

#[test]
fn a_value_that_the_condition_refuses_is_returned_and_not_stored() {
    for rig in rigs() {
        let runs = Runs::default();
        assert_eq!(kept_if_long(&rig.ours, 1, &runs).unwrap(), [1]);
        assert_eq!(kept_entry(&rig.ours, 1, &runs).unwrap().get_ok_blocking().unwrap(), None);
        assert_eq!(kept_if_long(&rig.theirs, 2, &runs).unwrap(), [2, 2]);
        assert_eq!(kept_if_long(&rig.ours, 1, &runs).unwrap(), [2, 2]);
    }
}

#[tokio::test]
async fn a_none_that_is_not_kept_is_computed_again() {
    for rig in rigs() {
        let runs = Runs::default();
        let mut found = Vec::new();
        for client in [&rig.ours, &rig.theirs, &rig.ours, &rig.theirs] {
            found.push(kept_if_found(client, &runs).await);
        }
        assert_eq!(found, [None, None, Some(3), Some(3)]);
    }
}

#[test]
fn a_value_that_is_too_large_is_returned_and_not_stored() {
    for rig in rigs() {
        let runs = Runs::default();
        // With its quotes it has 33 bytes.
        assert_eq!(small(&rig.ours, 31, &runs).unwrap().len(), 31);
        let entry = small_entry(&rig.ours, 31, &runs).unwrap();
        assert_eq!(entry.get_ok_blocking().unwrap(), None);
        // For a while no caller would take the lock to store another one.
        entry.forget_blocking().unwrap();
        assert_eq!(small(&rig.theirs, 30, &runs).unwrap().len(), 30);
        assert_eq!(small(&rig.ours, 31, &runs).unwrap().len(), 30, "that one was stored");
        assert_eq!(runs.count(), 2);

        small_as_told(&rig.ours, 11, &runs).unwrap();
        small_as_told(&rig.ours, 11, &runs).unwrap();
        assert_eq!(runs.count(), 4);
    }
}

#[test]
fn a_value_of_another_schema_is_a_miss_and_one_of_the_same_is_not() {
    for rig in rigs() {
        let runs = Runs::default();
        assert_eq!(releases::first(&rig.ours, &runs).unwrap(), (1, 1));
        assert_eq!(releases::second(&rig.theirs, &runs).unwrap(), (2, 2));
        assert_eq!(releases::third(&rig.ours, &runs).unwrap(), [2, 2]);
        assert_eq!(releases::by_type(&rig.ours, &runs).unwrap(), [3, 4]);
        assert_eq!(releases::by_type(&rig.theirs, &runs).unwrap(), [3, 4]);
    }
}

#[test]
fn values_of_other_codecs_come_back() {
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    for client in [&rig.ours, &rig.theirs] {
        assert_eq!(packed(client, &runs).unwrap(), (1, "packed".into()));
    }
    for client in [&rig.ours, &rig.theirs] {
        assert_eq!(sealed(client, &runs).unwrap(), (2, "sealed".into()));
    }
    let stored = |entry: &str| {
        let value = server.command(&["GET", &format!("{{{entry}}}:value")]);
        let dspinlock_testkit::Reply::Bytes(value) = value else { panic!("{value:?}") };
        let end = value.iter().position(|&byte| byte == b'\n').unwrap();
        (String::from_utf8(value[..end].to_vec()).unwrap(), value[end + 1..].to_vec())
    };
    let (header, bytes) = stored(packed_entry(&rig.ours, &runs).unwrap().record_key());
    assert!(header.contains(r#""codec":"msgpack""#), "{header}");
    assert_eq!(bytes, b"\x92\x01\xa6packed");
    let (header, bytes) = stored(sealed_entry(&rig.ours, &runs).unwrap().record_key());
    assert!(header.contains(r#""codec":"sealed""#), "{header}");
    assert_eq!(bytes, br#"]"delaes",2["#);
}

#[test]
fn garbage_in_place_of_the_value_is_a_miss_and_replaced() {
    let log = Log::of_this_process();
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    let entry = kept_entry(&rig.ours, 2, &runs).unwrap();
    let key = format!("{{{}}}:value", entry.record_key());
    kept_if_long(&rig.ours, 2, &runs).unwrap();
    // The garbage replaces the value behind a valid envelope, or the whole string.
    for (run, garbage) in (2..).zip(["garbage", "", "{\"half", "\"text\""]) {
        let dspinlock_testkit::Reply::Bytes(good) = server.command(&["GET", &key]) else { panic!() };
        let line = good.iter().position(|&byte| byte == b'\n').unwrap();
        let head = if garbage.contains('"') { &good[..=line] } else { &[] };
        let broken = [head, garbage.as_bytes()].concat();
        assert!(server.command(&[b"SET".as_slice(), key.as_bytes(), &broken]).is_ok());
        assert_eq!(entry.get_ok_blocking().unwrap(), None);
        assert_eq!(kept_if_long(&rig.theirs, 2, &runs).unwrap(), [run; 2]);
        assert_eq!(kept_if_long(&rig.ours, 2, &runs).unwrap(), [run; 2]);
        assert_eq!(entry.get_ok_blocking().unwrap(), Some(vec![run; 2]));
    }
    // No other test here causes these messages.
    for why in ["no envelope", "invalid type: map"] {
        assert!(log.count(&[why]) > 0, "{why} is not in the log");
    }
    assert_eq!(log.count(&["can't be decoded", "misses::kept_if_long"]), 1, "once for each function");
    // Another Redis type, and no value at all.
    for command in [vec!["DEL", &key], vec!["LPUSH", &key, "a"]] {
        server.command(&["DEL", &key]);
        server.command(&command);
        let before = runs.count();
        assert_eq!(kept_if_long(&rig.theirs, 2, &runs).unwrap(), [before + 1; 2]);
        assert_eq!(kept_if_long(&rig.ours, 2, &runs).unwrap(), [before + 1; 2]);
    }
}
