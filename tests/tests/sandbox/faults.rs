//! Outages, lost locks and other processes, on demand.

use crate::{HOUR, SECOND};
use dspinlock::testing::{Sandbox, scope, scope_async};
use dspinlock::{Client, Error, ErrorKind, dspinlock};
use dspinlock_tests::{block_on, eventually};
use std::sync::mpsc;
use std::thread;

#[dspinlock(key = n, namespace = "faults")]
fn work(n: u8, body: impl FnOnce()) -> Result<u8, Error> {
    body();
    Ok(n)
}

#[dspinlock(key = (), wait = "10ms")]
fn impatient() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(key = n, namespace = "faults-ignored", on_lost = "continue")]
fn careless(n: u8, body: impl FnOnce()) -> Result<u8, Error> {
    body();
    Ok(n)
}

#[dspinlock(key = (), namespace = "faults-cached", expire = "1h", cached)]
fn value() -> Result<u8, Error> {
    Ok(7)
}

#[dspinlock(key = (), namespace = "faults-once", expire = "1h", once)]
async fn once() -> Result<Option<u8>, Error> {
    Ok(Some(7))
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn an_outage_concerns_every_instance_until_it_is_lifted() {
    let sandbox = Sandbox::new();
    let clients = [sandbox.client().clone(), sandbox.instance()];
    let held = clients[0].lock("held").acquire_blocking().unwrap();
    let (outage, another) = (sandbox.outage(), sandbox.outage());
    for client in &clients {
        assert_eq!(kind(client.ping_blocking()), Some(ErrorKind::Backend));
        assert_eq!(kind(block_on(client.lock("key").acquire())), Some(ErrorKind::Backend));
        assert_eq!(kind(scope(client, || work(1, || ()))), Some(ErrorKind::Backend));
    }
    assert!(held.is_held(), "its lease goes on");
    drop(outage);
    assert_eq!(kind(clients[0].ping_blocking()), Some(ErrorKind::Backend), "there is another one");
    drop(another);
    held.release_blocking().unwrap();
    clients[1].ping_blocking().unwrap();
    // What failed has left nothing behind.
    assert!(clients[0].lock("key").try_acquire_blocking().unwrap().is_some());
    assert_eq!(sandbox.runs("work"), 0);
}

#[test]
fn an_outage_for_longer_than_the_lease_loses_the_lock() {
    let sandbox = Sandbox::new();
    let held = sandbox.client().lock("key").lease(10 * SECOND).acquire_blocking().unwrap();
    let _outage = sandbox.outage();
    sandbox.advance(11 * SECOND);
    assert!(held.lost_blocking(10 * SECOND));
}

#[test]
fn the_next_requests_fail_and_no_others() {
    let sandbox = Sandbox::new();
    let client = sandbox.client();
    sandbox.fail_next(2);
    assert_eq!(kind(client.ping_blocking()), Some(ErrorKind::Backend));
    assert_eq!(kind(scope(client, || work(1, || ()))), Some(ErrorKind::Backend));
    assert_eq!(scope(client, || work(1, || ())).unwrap(), 1);
    sandbox.assert_ran_once("work");
}

#[test]
fn a_release_that_fails_is_tried_again() {
    let sandbox = Sandbox::new();
    let lock = sandbox.client().lock("key").lease(SECOND);
    let guard = lock.acquire_blocking().unwrap();
    sandbox.fail_next(1);
    assert_eq!(kind(guard.release_blocking()), Some(ErrorKind::Backend));
    lock.wait(HOUR).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_lost_lock_is_an_error_or_ignored() {
    let sandbox = Sandbox::new();
    scope(sandbox.client(), || {
        assert_eq!(kind(work(1, || sandbox.lose("work"))), Some(ErrorKind::Lost));
        assert_eq!(careless(1, || sandbox.lose("careless")).unwrap(), 1);
        assert_eq!(work(1, || ()).unwrap(), 1, "nothing stays behind");
    });
}

#[test]
fn only_locks_of_the_name_are_lost_in_any_instance() {
    let sandbox = Sandbox::new();
    let lock = |client: &Client, key: &str| client.lock(key).namespace("lost").acquire_blocking().unwrap();
    let (first, second) = (lock(sandbox.client(), "a"), lock(&sandbox.instance(), "b"));
    let other = sandbox.client().lock("lost").acquire_blocking().unwrap();
    sandbox.lose("lost");
    assert!(!first.is_held() && !second.is_held() && other.is_held());
    assert!(block_on(async {
        first.lost().await;
        sandbox.client().lock("a").namespace("lost").try_acquire().await.unwrap().is_some()
    }));
}

#[test]
#[should_panic(expected = "no lock of `work` is held in this sandbox")]
fn a_test_that_loses_nothing_is_told_so() {
    Sandbox::new().lose("work");
}

#[test]
fn a_caller_waits_for_another_process_until_that_gives_back() {
    let sandbox = Sandbox::new();
    let (client, held) = (sandbox.client().clone(), sandbox.held_elsewhere("work"));
    let others = sandbox.held_elsewhere("impatient");
    let error = scope(&client, impatient).unwrap_err();
    drop(others);
    scope(&client, impatient).unwrap();
    assert_eq!((error.kind(), error.holder()), (ErrorKind::Contended, Some("another-process")));
    let (told, done) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let worked = scope(&client, || work(1, || ()));
        told.send(()).unwrap();
        worked
    });
    eventually("it waits", || sandbox.history().contains("work(1) waits"));
    assert!(done.try_recv().is_err());
    drop(held);
    assert_eq!(waiter.join().unwrap().unwrap(), 1);
    sandbox.assert_ran_once("work");
}

#[test]
fn a_held_lock_stays_its_holders_when_another_process_comes() {
    let sandbox = Sandbox::new();
    let lock = sandbox.client().lock("key");
    let held = lock.acquire_blocking().unwrap();
    let elsewhere = sandbox.held_elsewhere(lock.record_key().unwrap());
    assert!(lock.try_acquire_blocking().unwrap().is_none());
    held.ensure_held().unwrap();
    held.release_blocking().unwrap();
    assert!(lock.try_acquire_blocking().unwrap().is_none());
    drop(elsewhere);
    assert!(lock.try_acquire_blocking().unwrap().is_some());
}

#[test]
fn work_that_was_done_elsewhere_counts_until_its_expiry() {
    let sandbox = Sandbox::new();
    let once = || block_on(scope_async(sandbox.client(), once())).unwrap();
    sandbox.done_elsewhere("faults-once");
    assert_eq!((once(), once()), (None, None));
    sandbox.advance(HOUR / 2);
    assert_eq!(once(), None);
    sandbox.advance(HOUR / 2);
    assert_eq!((once(), once()), (Some(7), None));
    sandbox.advance(HOUR);
    assert_eq!(once(), Some(7), "it was done elsewhere once");
    sandbox.done_elsewhere("once");
    sandbox.advance(HOUR);
    assert_eq!(once(), Some(7), "its time was over before anybody asked");
}

#[test]
fn work_that_was_done_elsewhere_can_be_forgotten() {
    let sandbox = Sandbox::new();
    let once = || block_on(scope_async(sandbox.client(), once())).unwrap();
    sandbox.done_elsewhere("once");
    assert_eq!(once(), None);
    assert!(sandbox.client().lock(()).namespace("faults-once").forget_blocking().unwrap());
    assert_eq!(once(), Some(7));
}

#[test]
fn a_value_that_was_done_elsewhere_is_not_there_and_is_computed() {
    let sandbox = Sandbox::new();
    sandbox.done_elsewhere("value");
    assert_eq!(scope(sandbox.client(), value).unwrap(), 7);
    assert_eq!(scope(&sandbox.instance(), value).unwrap(), 7);
    sandbox.assert_ran_once("value");
}
