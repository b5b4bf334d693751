//! Attempts, holdings, callers that wait, and renewals, on the store in memory.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use dspinlock::{Client, Entry, Error, ErrorKind, dspinlock};
use dspinlock_tests::{await_renewal, block_on, eventually, ms};

use crate::scrape::{Scrape, scrape};

const ACQUIRE: &str = "dspinlock_acquire_duration";
const HOLD: &str = "dspinlock_hold_duration";

/// Asserts how many attempts of this namespace ended so, and no other way.
#[track_caller]
fn assert_attempts(scrape: &Scrape, namespace: &str, outcomes: &[(&str, &str)]) {
    for (outcome, error) in outcomes {
        let mut labels = vec![("namespace", namespace), ("outcome", outcome)];
        if !error.is_empty() {
            labels.push(("error_type", error));
        }
        assert_eq!(scrape.times(ACQUIRE, &labels), 1.0, "{labels:?}");
    }
    let number = u32::try_from(outcomes.len()).unwrap();
    assert_eq!(scrape.times(ACQUIRE, &[("namespace", namespace)]), f64::from(number));
}

#[test]
fn each_end_of_an_attempt_has_its_outcome() {
    let scrape = scrape();
    let client = Client::memory();
    let lock = |key: &'static str| client.lock(key).namespace("attempts").wait(ms(20));
    let held = lock("held").acquire_blocking().unwrap();
    assert_eq!(lock("held").acquire_blocking().unwrap_err().kind(), ErrorKind::Contended);
    assert!(lock("held").try_acquire_blocking().unwrap().is_none());
    let fails = lock("held").fail_if_key_exists(true);
    assert_eq!(fails.acquire_blocking().unwrap_err().kind(), ErrorKind::KeyExists);
    held.release_blocking().unwrap();
    let entry = lock("held").cached_if_computed(true).enter_blocking().unwrap();
    assert!(matches!(entry, Entry::Computed(_)), "{entry:?}");
    assert_attempts(
        scrape,
        "attempts",
        &[
            ("acquired", ""),
            ("contended", "contended"),
            ("turned_away", ""),
            ("error", "key_exists"),
            ("computed", ""),
        ],
    );
    assert!(scrape.sum("dspinlock_acquire_duration_seconds_sum", &[("outcome", "contended")]) >= 0.02);
}

#[test]
fn an_attempt_that_is_dropped_is_cancelled_and_waits_no_longer() {
    let scrape = scrape();
    let client = Client::memory();
    let lock = client.lock("key").namespace("dropped");
    let held = lock.acquire_blocking().unwrap();
    let waiting = || scrape.sum("dspinlock_waiting", &[("namespace", "dropped")]);
    block_on(async {
        let mut attempt = Box::pin(lock.acquire());
        let polled = poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context).is_pending()));
        assert!(polled.await);
        assert_eq!(waiting(), 1.0);
    });
    assert_attempts(scrape, "dropped", &[("acquired", ""), ("cancelled", "")]);
    eventually("nobody waits", || waiting() == 0.0);
    drop(held);
}

#[test]
fn each_end_of_a_holding_has_its_outcome() {
    let scrape = scrape();
    let client = Client::memory();
    let lock = |key: &'static str| client.lock(key).namespace("holdings").expire(None).lease(ms(300));
    let held = || scrape.sum("dspinlock_held", &[("namespace", "holdings")]);
    let ended = |outcome| scrape.times(HOLD, &[("namespace", "holdings"), ("outcome", outcome)]);

    let guard = lock("released").acquire_blocking().unwrap();
    assert_eq!(held(), 1.0);
    thread::sleep(ms(20));
    guard.release_blocking().unwrap();
    assert_eq!((ended("released"), held()), (1.0, 0.0));
    assert!(scrape.sum("dspinlock_hold_duration_seconds_sum", &[("namespace", "holdings")]) >= 0.02);

    lock("abandoned").acquire_blocking().unwrap().abandon_blocking().unwrap();
    drop(lock("dropped").acquire_blocking().unwrap());
    eventually("both are abandoned", || ended("abandoned") == 2.0);

    let found_at_the_release = lock("released").acquire_blocking().unwrap();
    lock("released").forget_blocking().unwrap();
    assert_eq!(found_at_the_release.release_blocking().unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(ended("lost"), 1.0);

    let found_by_the_watchdog = lock("watched").acquire_blocking().unwrap();
    lock("watched").forget_blocking().unwrap();
    assert!(found_by_the_watchdog.lost_blocking(Duration::from_secs(10)));
    eventually("it is measured as lost", || ended("lost") == 2.0);
    drop(found_by_the_watchdog);
    assert_eq!((ended("released"), ended("abandoned"), ended("lost")), (1.0, 2.0, 2.0));
    assert_eq!(held(), 0.0);
}

#[test]
fn a_lock_that_is_handed_over_is_held_by_one_after_the_other() {
    const CALLS: u32 = 20;
    let scrape = scrape();
    let client = Client::memory();
    thread::scope(|scope| {
        for _ in 0..CALLS {
            scope.spawn(|| {
                let lock = client.lock("key").namespace("handed").expire(None);
                lock.acquire_blocking().unwrap().release_blocking().unwrap();
            });
        }
    });
    let labels = [("namespace", "handed")];
    assert_eq!(scrape.times(HOLD, &labels), f64::from(CALLS));
    assert_eq!(scrape.times(ACQUIRE, &labels), f64::from(CALLS));
    assert_eq!(scrape.sum("dspinlock_held", &labels), 0.0);
    eventually("nobody waits", || scrape.sum("dspinlock_waiting", &labels) == 0.0);
}

#[test]
fn renewals_are_counted_by_their_result() {
    let scrape = scrape();
    let client = Client::memory();
    let lock = client.lock("key").namespace("renewals").lease(ms(100)).expire(None);
    let renewals =
        |outcome| scrape.sum("dspinlock_renewals_total", &[("namespace", "renewals"), ("outcome", outcome)]);
    let guard = lock.acquire_blocking().unwrap();
    await_renewal(&guard);
    eventually("a renewal is counted", || renewals("renewed") >= 1.0);
    lock.forget_blocking().unwrap();
    assert!(guard.lost_blocking(Duration::from_secs(10)));
    eventually("the loss is counted", || renewals("lost") == 1.0);
}

#[dspinlock(key = key, client = client)]
fn annotated(client: &Client, key: u32) -> Result<(), Error> {
    let _ = (client, key);
    Ok(())
}

/// An annotated function is named, and neither its namespace nor its keys are.
#[test]
fn a_function_is_named_and_no_key_is() {
    let scrape = scrape();
    let client = Client::memory();
    for key in [7_100_001, 7_100_002] {
        annotated(&client, key).unwrap();
    }
    client.lock("a bare key").acquire_blocking().unwrap().release_blocking().unwrap();
    let function = concat!(module_path!(), "::annotated");
    assert_eq!(scrape.times(ACQUIRE, &[("function", function), ("outcome", "acquired")]), 2.0);
    assert_eq!(scrape.times(HOLD, &[("function", function), ("outcome", "released")]), 2.0);
    for line in scrape.lines().into_iter().flatten() {
        let (line, _value) = line.rsplit_once(' ').unwrap();
        assert!(!line.contains("71000") && !line.contains("a bare key"), "{line}");
        assert!(!line.contains(function) || !line.contains("namespace="), "{line}");
    }
}
