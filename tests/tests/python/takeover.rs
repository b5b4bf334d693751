//! A lock that is held for longer than `max_block` is taken over. A Python record's age is that of its timestamp, as in Python.

use std::thread;
use std::time::{Duration, Instant};

use dspinlock::{DSpinlock, ErrorKind};
use serde_json::json;

use crate::pair::Pair;

/// The record of a Python instance of this age: its timestamp, and the rest of its hour to live.
fn held_for(seconds: u64) -> serde_json::Value {
    json!({"age": seconds, "expire": 3600 - seconds})
}

/// A lock that takes over records older than half a minute, and does not wait for younger ones.
fn impatient(pair: &Pair) -> DSpinlock {
    pair.rust("example").max_block(Duration::from_secs(30)).wait(Duration::from_millis(100))
}

#[test]
fn of_a_python_holder() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", held_for(60));
    python.enter().unwrap();
    let guard = impatient(&pair).acquire_blocking().unwrap();

    // Python learns of it at its release, and changes nothing.
    let ours = pair.get(&python.key).unwrap();
    assert!(ours.contains('@'), "{ours}");
    assert_eq!(python.leave().unwrap_err().class, "InvalidMutexReleaseEncountered");
    assert_eq!(pair.get(&python.key), Some(ours));
    guard.release_blocking().unwrap();
}

#[test]
fn not_of_a_younger_one() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", held_for(10));
    python.enter().unwrap();
    assert_eq!(impatient(&pair).acquire_blocking().unwrap_err().kind(), ErrorKind::Contended);
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag));
    python.leave().unwrap();
}

#[test]
fn not_of_a_reused_instance() {
    let pair = Pair::start();
    // An old timestamp, but a whole hour to live: the record has just been written.
    let python = pair.python_with("p", "example", json!({"age": 60}));
    for turn in ["first", "second"] {
        python.enter().unwrap();
        assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag), "the {turn} turn's tag");
        let error = impatient(&pair).acquire_blocking().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contended, "in the {turn} turn");
        python.leave().unwrap();
    }
}

#[test]
fn of_ours_by_python() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", json!({"max_block": 0}));
    let guard = pair.rust("example").acquire_blocking().unwrap();
    python.enter().unwrap();
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag));

    let error = guard.release_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotOwner, "{error}");
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag), "Python's lock stands");
    python.leave().unwrap();
}

#[test]
fn a_holder_learns_that_python_replaced_it() {
    let pair = Pair::start();
    let python = pair.python_with("p", "example", json!({"max_block": 0}));
    let guard = pair.rust("example").lease(Duration::from_millis(600)).acquire_blocking().unwrap();
    python.enter().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // Nothing announces it, so the state is polled.
    while guard.is_held() {
        assert!(Instant::now() < deadline, "no renewal has noticed it");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
    python.leave().unwrap();
}

#[test]
fn max_block_is_at_most_that_of_python() {
    let pair = Pair::start();
    let error = pair.rust("example").max_block(Duration::from_secs(31 * 60)).acquire_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    pair.rust("example")
        .namespace("ours")
        .max_block(Duration::from_secs(31 * 60))
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
}
