//! What follows a moved clock.

use crate::{HOUR, SECOND};
use dspinlock::testing::{Sandbox, scope};
use dspinlock::{Error, ErrorKind, State, dspinlock};
use dspinlock_tests::eventually;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

#[dspinlock(key = (), namespace = "daily", once, expire = "20h")]
fn daily(work: impl FnOnce()) -> Result<Option<()>, Error> {
    work();
    Ok(Some(()))
}

#[dspinlock(key = (), cached(local = "1h", entry = copied_entry), expire = "10m")]
fn copied(computed: &AtomicU32) -> Result<u32, Error> {
    Ok(computed.fetch_add(1, Ordering::SeqCst))
}

#[dspinlock(key = (), cached(refresh_ahead = "1m"), expire = "10m")]
fn refreshed(computed: &AtomicU32) -> Result<u32, Error> {
    Ok(computed.fetch_add(1, Ordering::SeqCst))
}

#[dspinlock(key = (), cached(stale_if_error = "1h", err_expire = "5m"), expire = "10m", on_error = |error| Err(error.to_string()))]
fn bridged(value: Result<u32, &str>) -> Result<u32, String> {
    value.map_err(str::to_owned)
}

#[test]
fn what_is_computed_expires() {
    let sandbox = Sandbox::new();
    let lock = sandbox.client().lock("key").expire(HOUR);
    lock.acquire_blocking().unwrap().release_blocking().unwrap();
    let since = lock.inspect_blocking().unwrap().unwrap();
    assert_eq!(since.state(), State::Computed);
    sandbox.advance(3_599 * SECOND);
    assert!(lock.inspect_blocking().unwrap().is_some());
    sandbox.advance(SECOND);
    assert!(lock.inspect_blocking().unwrap().is_none());
}

#[test]
fn the_period_of_once_counts_from_the_grant_also_if_the_clock_moves_while_it_runs() {
    let sandbox = Sandbox::new();
    scope(sandbox.client(), || {
        // With a lease that lasts: nobody renews while the clock moves.
        assert!(daily(|| sandbox.advance(9 * SECOND)).unwrap().is_some());
        sandbox.advance(71_990 * SECOND);
        assert!(daily(|| ()).unwrap().is_none());
        sandbox.advance(SECOND);
        assert!(daily(|| ()).unwrap().is_some());
    });
}

#[test]
fn a_lease_passes_and_its_holder_and_a_waiter_learn_of_it() {
    let sandbox = Sandbox::new();
    let lock = sandbox.client().lock("key").lease(10 * SECOND).wait(HOUR);
    let held = lock.acquire_blocking().unwrap();
    let others = sandbox.instance();
    let waiter = thread::spawn(move || others.lock("key").wait(HOUR).acquire_blocking());
    eventually("somebody waits", || sandbox.history().contains("instance 2: \"key\" waits"));
    sandbox.advance(10 * SECOND);
    assert!(held.lost_blocking(10 * SECOND));
    assert_eq!(held.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
    let next = waiter.join().unwrap().unwrap();
    assert!(next.is_held() && next.fencing_token() > held.fencing_token());
    assert_eq!(held.release_blocking().unwrap_err().kind(), ErrorKind::NotOwner);
}

#[test]
fn a_lease_of_which_a_part_has_passed_is_renewed_at_once() {
    let sandbox = Sandbox::new();
    let held =
        sandbox.client().lock("key").lease(30 * SECOND).max_block(HOUR / 4).acquire_blocking().unwrap();
    sandbox.advance(29 * SECOND);
    assert!(held.held_for() >= 29 * SECOND);
    // Of the first lease a second is left. Without the move, its renewal would be due in ten.
    eventually("it is renewed", || held.remaining() > 20 * SECOND);
    while held.is_held() {
        sandbox.advance(20 * SECOND);
        let at_its_cap = || held.held_for() + held.remaining() > 899 * SECOND;
        eventually("it is renewed, or lost", || {
            held.remaining() > 20 * SECOND || at_its_cap() || !held.is_held()
        });
    }
    assert!(held.held_for() >= HOUR / 4, "`max_block` has passed");
}

#[test]
fn local_copies_follow_the_clock_and_the_other_instances() {
    let (sandbox, computed) = (Sandbox::new(), AtomicU32::new(0));
    let instances = [sandbox.client().clone(), sandbox.instance()];
    let all = || instances.each_ref().map(|client| scope(client, || copied(&computed).unwrap()));
    assert_eq!((all(), all()), ([0, 0], [0, 0]));
    sandbox.advance(10 * 60 * SECOND);
    assert_eq!((all(), all()), ([1, 1], [1, 1]));
    assert_eq!(sandbox.runs("copied"), 2);
    // What one instance changes, the others hear of.
    assert!(scope(&instances[0], || copied_entry(&computed).unwrap().forget_blocking().unwrap()));
    assert_eq!((all(), all()), ([2, 2], [2, 2]));
}

#[test]
fn a_value_is_computed_ahead_of_its_expiry() {
    let (sandbox, computed) = (Sandbox::new(), AtomicU32::new(0));
    scope(sandbox.client(), || {
        refreshed(&computed).unwrap();
        sandbox.advance(8 * 60 * SECOND);
        assert_eq!(refreshed(&computed).unwrap(), 0);
        assert_eq!(sandbox.runs("refreshed"), 1);
        sandbox.advance(90 * SECOND);
        refreshed(&computed).unwrap();
        assert_eq!((sandbox.runs("refreshed"), refreshed(&computed).unwrap()), (2, 1));
    });
}

#[test]
fn failures_and_last_good_values_pass() {
    let sandbox = Sandbox::new();
    scope(sandbox.client(), || {
        assert_eq!(bridged(Ok(1)), Ok(1));
        sandbox.advance(11 * 60 * SECOND);
        assert_eq!(bridged(Err("down")), Ok(1), "the last good value");
        sandbox.advance(2 * HOUR);
        assert_eq!(bridged(Err("down")), Err("down".to_owned()));
        assert!(bridged(Ok(2)).is_err_and(|error| error.contains("down")), "the failure is cached");
        sandbox.advance(5 * 60 * SECOND);
        assert_eq!(bridged(Ok(2)), Ok(2));
    });
}

#[test]
fn the_time_for_which_a_caller_waits_does_not_follow() {
    let sandbox = Sandbox::new();
    let lock = sandbox.client().lock("key").wait(HOUR);
    let held = sandbox.held_elsewhere(lock.record_key().unwrap());
    let (told, waits) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let acquired = lock.acquire_blocking();
        told.send(()).unwrap();
        acquired
    });
    eventually("it waits", || sandbox.history().contains("waits"));
    sandbox.advance(2 * HOUR);
    assert!(waits.recv_timeout(SECOND / 10).is_err(), "`wait` is in real time");
    drop(held);
    waiter.join().unwrap().unwrap().release_blocking().unwrap();
}
