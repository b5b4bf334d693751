//! `forget` and `break`.

use crate::{ELSEWHERE, PATIENCE, client, get, on, set};
use dspinlock_testkit::Server;

const KEY: &str = "dspinlock,x";

#[test]
fn forget_removes_what_is_computed_with_its_value() {
    let server = Server::start();
    let ours = client(&server);
    let value = || {
        ours.lock("v")
            .namespace("n")
            .get_or_compute_blocking(|| Ok::<_, dspinlock::Error>(std::process::id()))
    };
    value().unwrap();
    let key = ours.lock("v").namespace("n").record_key().unwrap().to_owned();
    let ran = on(&server, &["forget", &key, "--json"]);
    assert_eq!((ran.code, &ran.json()["removed"]), (Some(0), &true.into()), "{ran:?}");
    assert_eq!((get(&server, &key), get(&server, &format!("{{{key}}}:value"))), (None, None));
    assert_eq!(on(&server, &["forget", &key]).code, Some(1), "there is nothing any more");
}

#[test]
fn each_way_leaves_what_it_is_not_for() {
    let server = Server::start();
    for (value, way, code) in [
        (format!("{ELSEWHERE}0"), "forget", 75),
        (format!("{ELSEWHERE}1"), "break", 1),
        ("hunter2".to_owned(), "forget", 65),
        ("hunter2".to_owned(), "break", 65),
    ] {
        set(&server, KEY, &value);
        let ran = on(&server, &[way, KEY, "--yes"]);
        assert_eq!((ran.code, get(&server, KEY)), (Some(code), Some(value)), "{way}: {ran:?}");
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    assert_eq!(on(&server, &["break", "dspinlock,none", "--yes"]).code, Some(1));
}

#[test]
fn break_asks_and_says_who_loses() {
    let server = Server::start();
    let record = format!("{ELSEWHERE}0");
    set(&server, KEY, &record);
    let asked = on(&server, &["break", KEY]);
    assert_eq!((asked.code, get(&server, KEY)), (Some(1), Some(record)), "nobody could be asked: {asked:?}");
    assert!(
        asked.err.contains("web-1/77/jobs::nightly loses the lock") && asked.err.contains("--yes"),
        "{asked:?}"
    );
    let done = on(&server, &["break", KEY, "--yes"]);
    assert_eq!((done.code, get(&server, KEY)), (Some(0), None), "{done:?}");
}

#[test]
fn a_holder_whose_lock_is_broken_learns_it_and_a_waiter_gets_it() {
    let server = Server::start();
    let (ours, other) = (client(&server), client(&server));
    let guard = ours.lock("x").namespace("n").acquire_blocking().unwrap();
    let key = guard.record_key().to_owned();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.lock("x").namespace("n").wait(PATIENCE).acquire_blocking());
        assert_eq!(on(&server, &["break", &key, "--yes"]).code, Some(0));
        waiter.join().unwrap().unwrap().release_blocking().unwrap();
    });
    assert!(guard.lost_blocking(PATIENCE));
    guard.release_blocking().unwrap_err();
}
