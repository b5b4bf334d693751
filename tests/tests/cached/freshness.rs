//! `refresh_ahead`, `stale_if_error` and `expire`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, Config, dspinlock};
use dspinlock_testkit::{Proxy, Reply, Server, Verdict};
use dspinlock_tests::eventually;

use crate::support::{AppError, Body, Rig, Runs, redis, rigs, signals};

#[dspinlock(
    client = client,
    key = (),
    cached(refresh_ahead = "9m 59s 900ms", entry = ahead_entry),
    expire = "10m",
)]
fn ahead(client: &Client, runs: &Runs, body: &Body) -> Result<u32, AppError> {
    let run = runs.run()?;
    body.wait();
    Ok(run)
}

/// Its lease is longer than any test.
#[dspinlock(
    client = client,
    key = (),
    cached(refresh_ahead = "9m 59s 900ms", entry = ahead_later_entry),
    expire = "10m",
    lease = "10m",
)]
async fn ahead_later(client: &Client, runs: &Runs) -> Result<u32, AppError> {
    runs.run()
}

#[dspinlock(client = client, key = (), cached(stale_if_error = "10m", entry = stale_entry), expire = "100ms")]
fn stale(client: &Client, runs: &Runs) -> Result<u32, AppError> {
    runs.run()
}

#[dspinlock(client = client, key = (), cached(refresh_ahead = ahead, stale_if_error = Duration::ZERO))]
fn wrong_while_running(client: &Client, ahead: Duration) -> Result<u32, AppError> {
    unreachable!("refused")
}

/// Computes the first value, and waits until it is due for a refresh.
fn due(rig: &Rig, runs: &Runs) -> (Body, crate::support::Test) {
    let (body, test) = signals();
    test.finish();
    assert_eq!(ahead(&rig.ours, runs, &body).unwrap(), 1);
    test.entered();
    thread::sleep(Duration::from_millis(150));
    (body, test)
}

#[test]
fn one_caller_computes_ahead_and_the_others_get_the_old_value() {
    for rig in rigs() {
        let runs = Runs::default();
        let (body, test) = due(&rig, &runs);
        thread::scope(|scope| {
            let renewing = scope.spawn(|| ahead(&rig.ours, &runs, &body));
            test.entered();
            for client in [&rig.ours, &rig.theirs, &rig.ours, &rig.theirs] {
                assert_eq!(ahead(client, &runs, &body).unwrap(), 1);
            }
            assert_eq!(runs.count(), 2, "exactly one caller refreshes");
            test.finish();
            assert_eq!(renewing.join().unwrap().unwrap(), 2, "who computes gets its own value");
        });
        let entry = ahead_entry(&rig.theirs, &runs, &body).unwrap();
        assert_eq!(entry.get_ok_blocking().unwrap(), Some(2));
        assert_eq!(ahead(&rig.theirs, &runs, &body).unwrap(), 2);
    }
}

#[test]
fn a_caller_that_fails_to_compute_ahead_gets_the_old_value_and_another_tries() {
    for rig in rigs() {
        let runs = Runs::default();
        let (body, test) = due(&rig, &runs);
        runs.fail(Some("no luck"));
        assert_eq!(ahead(&rig.ours, &runs, &body).unwrap(), 1);
        assert_eq!(runs.count(), 2);
        runs.fail(None);
        test.finish();
        // The library's own thread removes the mark.
        eventually("another caller refreshes", || ahead(&rig.theirs, &runs, &body).unwrap() == 3);
        assert_eq!(runs.count(), 3);
    }
}

#[tokio::test]
async fn a_call_dropped_before_it_is_told_to_compute_ahead_leaves_that_to_others() {
    let (server, runs) = (Server::start(), Runs::default());
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    // The first request for the mark arrives when the call is gone.
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |words| {
        let for_the_mark = words.get(3).is_some_and(|key| key.ends_with(b":refresh"));
        if for_the_mark && !asks.swap(true, Ordering::SeqCst) {
            return Verdict::Late(Duration::from_millis(500));
        }
        Verdict::Pass
    });
    let limit = Duration::from_secs(1);
    let config = Config::from_url(&proxy.url()).unwrap();
    let config = config.with_connect_timeout(limit).with_response_timeout(limit);
    let (ours, theirs) = (Client::from_config(&config).unwrap(), Client::connect(&server.url()).unwrap());
    assert_eq!(ahead_later(&ours, &runs).await.unwrap(), 1);
    let mark = format!("{{{}}}:refresh", ahead_later_entry(&ours, &runs).unwrap().record_key());
    let is_taken = || server.command(&["EXISTS", &mark]) == Reply::Int(1);
    let written = server.calls("set");
    let until_asked = async {
        while !asked.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    let until_due = async { while ahead_later(&ours, &runs).await.unwrap() == 1 {} };
    tokio::select! {
        biased;
        () = until_due => panic!("no reply comes through"),
        () = until_asked => {}
    }
    eventually("the late request takes the mark", || server.calls("set") > written);
    eventually("the mark is given back", || !is_taken());
    assert_eq!(ahead_later(&theirs, &runs).await.unwrap(), 2);
}

#[tokio::test]
async fn a_caller_that_gets_the_mark_too_late_does_not_compute() {
    let (server, runs) = (Server::start(), Runs::default());
    let was_due = Arc::new(AtomicBool::new(false));
    let is_due = Arc::clone(&was_due);
    let (asks, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (go, goes) = std::sync::mpsc::channel::<()>();
    let goes = std::sync::Mutex::new(goes);
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |words| {
        if words.get(3).is_some_and(|key| key.ends_with(b":refresh")) {
            is_due.store(true, Ordering::SeqCst);
            asks.send(()).unwrap();
            // It fails once the test has ended.
            let _ = goes.lock().unwrap().recv();
        }
        Verdict::Pass
    });
    let (ours, theirs) = (Client::connect(&proxy.url()).unwrap(), Client::connect(&server.url()).unwrap());
    assert_eq!(ahead_later(&ours, &runs).await.unwrap(), 1);
    let until_due = async {
        loop {
            let value = ahead_later(&ours, &runs).await.unwrap();
            if was_due.load(Ordering::SeqCst) {
                return value;
            }
        }
    };
    let another = async {
        asked.recv().await.unwrap();
        assert_eq!(ahead_later(&theirs, &runs).await.unwrap(), 2);
        drop(go);
    };
    let (value, ()) = tokio::join!(until_due, another);
    assert_eq!((value, runs.count()), (1, 2), "the next value is there already");
}

#[tokio::test]
async fn a_caller_that_computes_ahead_without_an_old_value_takes_the_lock() {
    let (rig, runs) = (redis(), Runs::default());
    assert_eq!(ahead_later(&rig.ours, &runs).await.unwrap(), 1);
    let (server, entry) = (rig.server.as_ref().unwrap(), ahead_later_entry(&rig.ours, &runs).unwrap());
    let [value, mark] = ["value", "refresh"].map(|what| format!("{{{}}}:{what}", entry.record_key()));
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.command(&["SET", &value, "garbage", "KEEPTTL"]);
    assert_eq!(ahead_later(&rig.theirs, &runs).await.unwrap(), 2);
    assert_eq!(entry.get_ok().await.unwrap(), Some(2));
    eventually("the mark is given back", || server.command(&["EXISTS", &mark]) == Reply::Int(0));
}

#[test]
fn a_caller_that_computes_ahead_does_not_restore_a_forgotten_value() {
    for rig in rigs() {
        let runs = Runs::default();
        let (body, test) = due(&rig, &runs);
        thread::scope(|scope| {
            let renewing = scope.spawn(|| ahead(&rig.ours, &runs, &body));
            test.entered();
            let entry = ahead_entry(&rig.theirs, &runs, &body).unwrap();
            assert!(entry.forget_blocking().unwrap());
            test.finish();
            assert_eq!(renewing.join().unwrap().unwrap(), 2);
            assert_eq!(entry.get_ok_blocking().unwrap(), None);
        });
    }
}

/// The value says itself until when it lives. The record decides whether it counts.
#[test]
fn a_value_that_says_another_life_is_good_and_is_computed_ahead_by_what_it_says() {
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    let (body, test) = due(&rig, &runs);
    let key = format!("{{{}}}:value", ahead_entry(&rig.ours, &runs, &body).unwrap().record_key());
    let says = |until: &str| {
        let Reply::Bytes(value) = server.command(&["GET", &key]) else { panic!("no value") };
        let mut header: serde_json::Value =
            serde_json::from_slice(value.split(|&byte| byte == b'\n').next().unwrap()).unwrap();
        let line = value.iter().position(|&byte| byte == b'\n').unwrap();
        match until {
            "" => drop(header.as_object_mut().unwrap().remove("until")),
            until => header["until"] = until.parse::<u64>().unwrap().into(),
        }
        let changed = [header.to_string().as_bytes(), &value[line..]].concat();
        assert!(server.command(&[b"SET", key.as_bytes(), &changed, b"KEEPTTL"]).is_ok());
    };
    let known = [&rig.ours, &rig.theirs];
    for unknown in ["", "0", "18446744073709551615"] {
        says(unknown);
        for client in known {
            assert_eq!(ahead(client, &runs, &body).unwrap(), 1, "{unknown}: nobody computes ahead");
        }
    }
    for past in ["1", "1769903999000123"] {
        says(past);
        test.finish();
        let next = runs.count() + 1;
        assert_eq!(ahead(&rig.ours, &runs, &body).unwrap(), next, "{past}");
        assert_eq!(ahead(&rig.theirs, &runs, &body).unwrap(), next, "{past}: the next one says its own life");
    }
}

#[test]
fn the_last_good_value_stands_in_for_a_failure() {
    for rig in rigs() {
        let runs = Runs::default();
        assert_eq!(stale(&rig.ours, &runs).unwrap(), 1);
        let entry = stale_entry(&rig.theirs, &runs).unwrap();
        eventually("the value expires", || entry.get_ok_blocking().unwrap().is_none());
        runs.fail(Some("the disk is full"));
        assert_eq!(stale(&rig.theirs, &runs).unwrap(), 1);
        assert_eq!(runs.count(), 2, "it was tried");
        assert_eq!(entry.get_ok_blocking().unwrap(), None, "and is not remembered as good");
        runs.fail(None);
        assert_eq!(stale(&rig.ours, &runs).unwrap(), 3);
        // After a forget there is no last good value.
        assert!(entry.forget_blocking().unwrap());
        runs.fail(Some("the disk is full"));
        assert_eq!(stale(&rig.ours, &runs).unwrap_err().to_string(), "the disk is full");
    }
}

#[test]
fn without_a_good_value_the_failure_is_returned() {
    let (rig, runs) = (redis(), Runs::default());
    runs.fail(Some("the disk is full"));
    assert_eq!(stale(&rig.ours, &runs).unwrap_err().to_string(), "the disk is full");
    assert_eq!(runs.count(), 1);
}

#[test]
fn options_from_expressions_are_checked_when_they_are_used() {
    let client = Client::memory();
    let AppError::Lock(error) = wrong_while_running(&client, Duration::ZERO).unwrap_err() else { panic!() };
    assert_eq!(error.kind(), dspinlock::ErrorKind::Config);
    assert!(error.to_string().contains("`refresh_ahead` is zero"), "{error}");
    for (wrong, says) in [(Duration::from_nanos(1), "at least one millisecond"), (Duration::MAX, "365 days")]
    {
        let AppError::Lock(error) = wrong_while_running(&client, wrong).unwrap_err() else { panic!() };
        assert!(
            error.to_string().contains("`refresh_ahead` is ") && error.to_string().contains(says),
            "{error}"
        );
    }
    let hours = Duration::from_secs(7_200);
    let AppError::Lock(error) = wrong_while_running(&client, hours).unwrap_err() else { panic!() };
    assert!(error.to_string().contains("`stale_if_error` is zero"), "{error}");
}
