//! Calls in memory that wait for each other.

use super::*;
use crate::api::client::Client;
use std::thread;

/// A call of the function `name` that others wait for.
fn call(name: &'static str, around: &[&Arc<Caller>]) -> Arc<Caller> {
    let lock = Client::memory().lock(name).resolved().unwrap();
    let mut spec =
        Spec::resolve(Arc::clone(&lock.spec.scheme), None, &lock.spec.key, lock.spec.options.clone())
            .unwrap();
    spec.function = Some(name);
    let mut caller = Caller::new(lock.core.address(), &Arc::new(spec), None, None);
    Arc::get_mut(&mut caller).unwrap().around = around.iter().map(|caller| caller.call()).collect();
    caller.lead();
    caller
}

#[test]
fn the_call_that_closes_a_cycle_is_told_its_members() {
    let [a, b, c] = ["a", "b", "c"].map(|name| call(name, &[]));
    let [in_a, in_b, in_c] = [&a, &b, &c].map(|around| call("inside", &[around]));
    let waits = [in_a.wait_for(&b.run).unwrap(), in_b.wait_for(&c.run).unwrap()];
    let refused = in_c.wait_for(&a.run).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    let text = refused.to_string();
    assert!(
        text.contains("`a` of key \"a\", which waits for `b` of key \"b\", which waits for `c`"),
        "{text}"
    );
    // A wait that is over and a call that has gone are no part of a cycle.
    let [first, second] = waits;
    drop(first);
    drop(in_c.wait_for(&a.run).unwrap());
    drop((second, in_a, in_b));
    let _waiting = in_c.wait_for(&a.run).unwrap();
    assert!(call("inside", &[&a]).wait_for(&c.run).is_err());
    drop(in_c);
    call("inside", &[&a]).wait_for(&c.run).unwrap();
}

#[test]
fn a_lock_stands_for_its_holder_as_long_as_that_runs() {
    let (a, b) = (call("a", &[]), call("b", &[]));
    drop(a.holding(&a.run.lock));
    let waiting = call("inside", &[&a]);
    let _waiting = waiting.wait_for(&b.run).unwrap();
    let mut same = call("a", &[&b]);
    Arc::get_mut(&mut same).unwrap().run = Run::new(a.run.core, &a.run.lock);
    assert!(same.wait_for_lock().is_err());
    drop(a);
    same.wait_for_lock().unwrap();
}

/// Two calls that begin to wait for each other at the same moment.
#[test]
fn of_two_that_close_a_cycle_at_once_one_notices() {
    for _ in 0..200 {
        let (a, b) = (call("a", &[]), call("b", &[]));
        let (in_a, in_b) = (call("inside", &[&a]), call("inside", &[&b]));
        let (start, done) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        let wait = |inside: &Arc<Caller>, leader: &Arc<Caller>| {
            start.wait();
            let waiting = inside.wait_for(&leader.run);
            done.wait();
            waiting.is_ok()
        };
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(|| wait(&in_b, &a));
            (wait(&in_a, &b), other.join().unwrap())
        });
        assert!(one != other);
    }
}

#[test]
fn nothing_is_left_of_calls_that_have_ended() {
    let (a, b) = (call("left a", &[]), call("left b", &[]));
    let inside = call("left inside", &[&a]);
    let waiting = inside.wait_for(&b.run).unwrap();
    drop(b.holding(&b.run.lock));
    let nodes = [&a, &b].map(|caller| caller.call());
    assert!(waits().way(&nodes[0], &nodes[1..]).is_some());
    drop((a, b, inside));
    assert!(waits().way(&nodes[0], &nodes[1..]).is_none());
    drop(waiting);
}

/// A task is queued, or was handed the lock and not polled since. Its thread must not wait behind it.
#[tokio::test]
async fn a_thread_does_not_queue_behind_a_call_that_it_has_to_poll() {
    let client = Client::memory();
    let lock = || client.lock("queued").wait(std::time::Duration::from_secs(20));
    let held = lock().acquire_blocking().unwrap();
    let (first, record) = (lock(), lock().record_key().unwrap().to_owned());
    let mut first = std::pin::pin!(first.acquire());
    while !client.core().queues.has_waiters(&record) {
        let poll = std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context)));
        assert!(poll.await.is_pending());
    }
    assert_eq!(lock().acquire_blocking().unwrap_err().kind(), ErrorKind::Misuse);
    let since = || lock().inspect_blocking().unwrap().map(|found| found.since());
    let before = since();
    held.abandon_blocking().unwrap();
    while client.core().queues.has_waiters(&record) || since().is_none_or(|since| Some(since) == before) {
        thread::yield_now();
    }
    assert_eq!(lock().acquire_blocking().unwrap_err().kind(), ErrorKind::Misuse);
    first.await.unwrap().abandon_blocking().unwrap();
    // Nobody is ahead any more.
    lock().acquire_blocking().unwrap().release_blocking().unwrap();
}
