//! Acquiring a lock that is already held: with a nested guard, through the same instance, in a recursive call.

use dspinlock::{Client, ErrorKind, State, dspinlock};
use dspinlock_tests::{Api, Rig, block_on, eventually, ms, on_every_rig};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

on_every_rig!(
    a_nested_guard_shares_the_turn,
    another_thread_does_not_enter_again,
    the_same_instance_does_not_enter_twice,
    a_job_that_is_stolen_while_the_lock_is_held_does_not_enter,
    tasks_of_one_thread_take_turns,
    a_guard_that_moves_takes_the_turn_along,
    guards_of_one_turn_may_move_to_different_threads,
    a_lost_lock_gives_no_nested_guard,
);

const MINUTE: Duration = Duration::from_secs(60);

fn a_nested_guard_shares_the_turn(rig: &Rig) {
    let lock = rig.lock("nested");
    let outer = rig.acquire(&lock).unwrap();
    let inner = outer.nested().unwrap();
    assert_eq!(inner.fencing_token(), outer.fencing_token());
    rig.release(inner).unwrap();
    assert!(outer.is_held());
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Blocked);

    // The last guard decides.
    let inner = outer.nested().unwrap();
    drop(outer);
    assert!(inner.is_held());
    rig.release(inner).unwrap();
    assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Computed);

    let outer = rig.acquire(&lock).unwrap();
    let inner = outer.nested().unwrap();
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

/// The same instance on the same thread may be another caller: a stolen job, another task, or a mistake. It waits like any
/// other, and the error suggests a nested guard.
fn the_same_instance_does_not_enter_twice(rig: &Rig) {
    let lock = rig.lock("taken twice").wait(ms(20));
    let outer = rig.acquire(&lock).unwrap();
    assert!(rig.try_acquire(&lock).unwrap().is_none());
    let refused = rig.acquire(&lock).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Contended);
    assert!(refused.to_string().contains("guard.nested()"), "{refused}");
    let refused = rig.enter(&lock).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Contended);
    assert!(outer.is_held());
    rig.release(outer).unwrap();
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
}

/// The number of callers inside, and the highest number so far.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
    turns: AtomicUsize,
}

impl Inside {
    fn enter(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The holder's thread runs another job meanwhile, as a pool does that steals work.
fn a_job_that_is_stolen_while_the_lock_is_held_does_not_enter(rig: &Rig) {
    let lock = rig.lock("stolen").wait(MINUTE);
    let inside = Inside::default();
    let job = || {
        let Some(guard) = rig.try_acquire(&lock).unwrap() else { return false };
        inside.enter();
        inside.leave();
        rig.release(guard).unwrap();
        true
    };
    let guard = rig.acquire(&lock).unwrap();
    inside.enter();
    assert!(!job(), "the job has run beside the holder");
    inside.leave();
    rig.release(guard).unwrap();
    assert!(job());
    assert_eq!((inside.most.into_inner(), inside.turns.into_inner()), (1, 2));
}

/// Two tasks of one thread, neither on a runtime.
fn tasks_of_one_thread_take_turns(rig: &Rig) {
    let lock = rig.lock("tasks of one thread").wait(MINUTE);
    let inside = Inside::default();
    let task = async || {
        let guard = match rig.api {
            Api::Async => lock.acquire().await.unwrap(),
            // A task that blocks would wait for the other one, which has no other thread.
            Api::Blocking => loop {
                match lock.try_acquire_blocking().unwrap() {
                    Some(guard) => break guard,
                    None => tokio::task::yield_now().await,
                }
            },
        };
        inside.enter();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        inside.leave();
        guard.release().await.unwrap();
    };
    block_on(async { tokio::join!(task(), task(), task()) });
    assert_eq!((inside.most.into_inner(), inside.turns.into_inner()), (1, 3));
}

/// The thread that acquired it no longer holds it.
fn a_guard_that_moves_takes_the_turn_along(rig: &Rig) {
    let lock = rig.lock("moved").wait(ms(20));
    let guard = rig.acquire(&lock).unwrap();
    let (go, told) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Waits until the sender is dropped.
            told.recv().unwrap_err();
            assert!(guard.is_held());
            rig.release(guard).unwrap();
        });
        assert!(rig.try_acquire(&lock).unwrap().is_none());
        assert_eq!(rig.acquire(&lock).unwrap_err().kind(), ErrorKind::Contended);
        drop(go);
    });
    rig.release(rig.acquire(&lock).unwrap()).unwrap();
}

/// Guards of one turn in two threads: the last one ends the turn, and earlier ones change nothing.
fn guards_of_one_turn_may_move_to_different_threads(rig: &Rig) {
    let lock = rig.lock("parted");
    for released_last in [true, false] {
        let outer = rig.acquire(&lock).unwrap();
        let inner = outer.nested().unwrap();
        let handle = inner.handle();
        thread::scope(|scope| scope.spawn(|| rig.release(inner).unwrap()).join().unwrap());
        assert!(outer.is_held() && handle.is_held(), "the turn goes on");
        assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Blocked);
        let last = outer.nested().unwrap();
        assert_eq!(last.fencing_token(), handle.fencing_token());
        drop(outer);
        if released_last {
            rig.release(last).unwrap();
        } else {
            rig.abandon(last).unwrap();
        }
        assert!(!handle.is_held() && handle.remaining().is_zero());
        let left = rig.inspect(&lock).unwrap().map(|seen| seen.state());
        assert_eq!(left, released_last.then_some(State::Computed));
    }
}

/// A nested guard of a lost lock is an error, and an inner release must not succeed.
fn a_lost_lock_gives_no_nested_guard(rig: &Rig) {
    let lock = rig.lock("lost").lease(ms(60)).max_block(ms(60)).wait(MINUTE);
    let outer = rig.acquire(&lock).unwrap();
    let inner = outer.nested().unwrap();
    eventually("the lease runs out", || !outer.is_held());
    assert_eq!(outer.nested().unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(rig.release(inner).unwrap_err().kind(), ErrorKind::Lost);
    // A new caller has to get the lock itself.
    let next = rig.acquire(&lock).unwrap();
    assert!(next.is_held());
    assert!(next.fencing_token() > outer.fencing_token());
}

#[dspinlock(key = 7, client = client, on_error = |error| Err(error.kind()))]
fn recurse(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    if depth == 0 { Ok(0) } else { recurse(client, depth - 1) }
}

#[dspinlock(key = 7, client = client, on_error = |error| Err(error.kind()))]
async fn recurse_async(client: &Client, depth: u32) -> Result<u32, ErrorKind> {
    // Another task runs in between, and the body may continue on another thread.
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
