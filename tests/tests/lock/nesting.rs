//! Locking what is held already: by a nested guard, by the same instance, by a recursive call.

use dspinlock::{Client, ErrorKind, State, dspinlock};
use dspinlock_tests::{Rig, block_on, eventually, ms, on_every_rig};
use std::thread;
use std::time::Duration;

on_every_rig!(a_nested_guard_shares_the_turn, another_thread_does_not_enter_again);

fn a_nested_guard_shares_the_turn(rig: &Rig) {
    let lock = rig.lock("nested");
    let outer = rig.acquire(&lock).unwrap();
    let inner = outer.nested();
    assert_eq!(inner.fencing_token(), outer.fencing_token());
    rig.release(inner).unwrap();
    assert!(outer.is_held());
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Blocked);

    // The last one decides.
    let inner = outer.nested();
    drop(outer);
    assert!(inner.is_held());
    rig.release(inner).unwrap();
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Computed);

    let outer = rig.acquire(&lock).unwrap();
    let inner = outer.nested();
    rig.release(outer).unwrap();
    drop(inner);
    eventually("a nested guard that is dropped last frees the key", || rig.inspect(&lock).unwrap().is_none());
}

fn another_thread_does_not_enter_again(rig: &Rig) {
    let lock = rig.lock("one instance, two threads").wait(Duration::ZERO);
    let _held = rig.acquire(&lock).unwrap();
    let refused = thread::scope(|scope| scope.spawn(|| rig.acquire(&lock).unwrap_err()).join().unwrap());
    assert_eq!(refused.kind(), ErrorKind::Contended);
}

/// As in py-dspinlock, for blocking callers.
#[test]
fn a_thread_enters_its_own_lock_again() {
    let lock = Client::memory().lock("re-entry").wait(Duration::ZERO);
    let outer = lock.acquire_blocking().unwrap();
    let inner = lock.acquire_blocking().expect("the same instance in the same thread");
    assert_eq!(inner.fencing_token(), outer.fencing_token());
    assert_eq!(lock.clone().acquire_blocking().unwrap_err().kind(), ErrorKind::Contended);
    drop(outer);
    inner.release_blocking().unwrap();
    assert_eq!(lock.inspect_blocking().unwrap().unwrap().state(), State::Computed);

    let next = lock.acquire_blocking().unwrap();
    next.release_blocking().unwrap();
}

/// Tasks share threads, so one task must not enter what another has locked.
#[test]
fn a_task_does_not_enter_the_lock_of_another() {
    let lock = Client::memory().lock("tasks").wait(Duration::ZERO);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for blocking in [false, true] {
            let held = if blocking { lock.acquire_blocking() } else { lock.acquire().await }.unwrap();
            assert_eq!(lock.acquire().await.unwrap_err().kind(), ErrorKind::Contended);
            assert_eq!(lock.acquire_blocking().unwrap_err().kind(), ErrorKind::Contended);
            held.release().await.unwrap();
        }
    });
}

/// A guard for a lock that is lost is worth nothing: whoever acquires has to get the lock itself.
#[test]
fn a_lost_lock_is_not_entered_again() {
    let lock = Client::memory().lock("lost").lease(ms(60)).max_block(ms(60)).wait(Duration::from_secs(5));
    let outer = lock.acquire_blocking().unwrap();
    eventually("the lease runs out", || !outer.is_held());
    let inner = lock.acquire_blocking().unwrap();
    assert!(inner.is_held());
    assert!(inner.fencing_token() > outer.fencing_token());
}

#[dspinlock(key = 7, client = client, on_error = |error| Err(error.kind()))]
fn recurse(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    if depth == 0 { Ok(0) } else { recurse(client, depth - 1) }
}

#[dspinlock(key = 7, client = client, on_error = |error| Err(error.kind()))]
async fn recurse_async(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    // Another task runs in between, and the body may go on in another thread.
    tokio::task::yield_now().await;
    if depth == 0 { Ok(0) } else { Box::pin(recurse_async(client, depth - 1)).await }
}

#[dspinlock(key = 7, client = client, cached, on_error = |error| Err(error.kind()))]
fn recurse_cached(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    if depth == 0 { Ok(0) } else { recurse_cached(client, depth - 1) }
}

#[dspinlock(key = 7, client = client, cached, on_error = |error| Err(error.kind()))]
async fn recurse_cached_async(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    tokio::task::yield_now().await;
    if depth == 0 { Ok(0) } else { Box::pin(recurse_cached_async(client, depth - 1)).await }
}

/// It would wait for its own value.
#[test]
fn a_recursive_call_for_a_value_is_refused() {
    let client = Client::memory();
    assert_eq!(recurse_cached(&client, 1), Err(ErrorKind::Misuse));
    assert_eq!(recurse_cached(&client, 0), Ok(0), "the outer call gave its lock back");
    assert_eq!(recurse_cached(&client, 1), Ok(0), "what was computed is there without a body");

    assert_eq!(block_on(recurse_cached_async(&client, 1)), Err(ErrorKind::Misuse));
    assert_eq!(block_on(recurse_cached_async(&client, 0)), Ok(0));
}

/// It would wait for itself.
#[test]
fn a_recursive_call_is_refused() {
    let client = Client::memory();
    assert_eq!(recurse(&client, 0), Ok(0));
    assert_eq!(recurse(&client, 1), Err(ErrorKind::Misuse));
    assert_eq!(recurse(&client, 0), Ok(0), "the outer call gave its lock back");

    assert_eq!(block_on(recurse_async(&client, 0)), Ok(0));
    assert_eq!(block_on(recurse_async(&client, 1)), Err(ErrorKind::Misuse));
    assert_eq!(block_on(recurse_async(&client, 0)), Ok(0));
    assert_eq!(recurse(&Client::memory(), 0), Ok(0), "another store is another lock");
}
