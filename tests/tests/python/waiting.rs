//! One side holds, the other waits.

use std::thread;
use std::time::{Duration, Instant};

use dspinlock::ErrorKind;
use dspinlock_tests::eventually;
use serde_json::json;

use crate::monitor::Monitor;
use crate::pair::Pair;

#[test]
fn python_holds_and_a_thread_waits() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let mut monitor = Monitor::start(&pair.server);
    python.enter().unwrap();

    thread::scope(|scope| {
        let waiter = scope.spawn(|| pair.rust("example").acquire_blocking());
        monitor.wait_for_script_on(&python.key);
        assert!(pair.get(&python.key).unwrap().starts_with(&python.tag), "Python still holds");
        assert!(!waiter.is_finished());
        python.leave().unwrap();
        waiter.join().unwrap().unwrap().release_blocking().unwrap();
    });
    assert!(pair.get(&python.key).unwrap().contains('@'), "the last turn was ours");
}

#[tokio::test]
async fn python_holds_and_a_task_waits() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let mut monitor = Monitor::start(&pair.server);
    python.enter().unwrap();

    let lock = pair.rust("example");
    let waiter = tokio::spawn(async move { lock.acquire().await });
    // The monitor blocks its thread; the waiter needs this one.
    let key = python.key.clone();
    tokio::task::spawn_blocking(move || monitor.wait_for_script_on(&key)).await.unwrap();
    assert!(!waiter.is_finished());
    python.leave().unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();
    assert!(pair.get(&python.key).unwrap().contains('@'), "the last turn was ours");
}

#[test]
fn a_release_by_python_ends_a_long_sleep() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();

    let sleep = Duration::from_secs(40);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pair.rust("example").sleep(sleep).acquire_blocking());
        eventually("the server tracks the key", || pair.server.info("stats")["tracking_total_keys"] != "0");
        let released = Instant::now();
        python.leave().unwrap();
        waiter.join().unwrap().unwrap().release_blocking().unwrap();
        assert!(released.elapsed() < sleep / 4, "the waiter slept on for {:?}", released.elapsed());
    });
}

#[test]
fn we_hold_and_python_waits() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let guard = pair.rust("example").acquire_blocking().unwrap();

    let entering = python.start_entering();
    python.wait_until_it_waits();
    assert!(guard.is_held());
    guard.release_blocking().unwrap();
    entering.reply().unwrap();
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag));
    python.leave().unwrap();
}

#[test]
fn python_gives_up_on_us() {
    let pair = Pair::start();
    let guard = pair.rust("example").acquire_blocking().unwrap();
    let python = pair.python_with("p", "example", json!({"tries": 3}));
    assert_eq!(python.enter().unwrap_err().class, "SpinlockTriesExceeded");
    guard.ensure_held().unwrap();
    guard.release_blocking().unwrap();
}

#[test]
fn we_give_up_on_python() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    let wait = Duration::from_secs(1);
    let error = pair.rust("example").wait(wait).acquire_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contended);
    assert!(error.waited() >= wait, "{:?}", error.waited());
    assert!(error.attempts() >= 2, "{}", error.attempts());
    let uuid = python.tag.split(',').next().unwrap();
    assert!(error.holder().unwrap().contains(uuid), "{:?}", error.holder());
    assert_eq!(pair.get(&python.key).unwrap(), format!("{},0", python.tag), "nothing was overwritten");
    python.leave().unwrap();
}

#[test]
fn an_attempt_without_waiting() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    python.enter().unwrap();
    assert!(pair.rust("example").try_acquire_blocking().unwrap().is_none());
    python.leave().unwrap();
}

#[test]
fn a_lock_of_ours_that_is_dropped_is_free_for_python() {
    let pair = Pair::start();
    let python = pair.python("p", "example");
    let mut monitor = Monitor::start(&pair.server);
    drop(pair.rust("example").acquire_blocking().unwrap());
    // After the drop the library gives it back on its own thread.
    monitor.wait_for(&python.key, |line| line.contains("\"DEL\""));
    assert_eq!(pair.get(&python.key), None, "what was dropped is not COMPUTED");
    python.enter().unwrap();
    python.leave().unwrap();
}
