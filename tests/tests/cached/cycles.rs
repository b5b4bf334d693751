//! Calls that wait for each other: an error at once where one process can see it, else a warning.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, ErrorKind, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{Log, block_on};
use tokio::sync::Notify;

use crate::support::{AppError, Body, Runs, redis, rigs, signals};

pub(crate) fn kind(error: &AppError) -> ErrorKind {
    match error {
        AppError::Lock(error) => error.kind(),
        AppError::Own(text) => panic!("{text}"),
    }
}

/// The errors of a cycle's calls as text: that of the call which noticed it, and those of the others.
fn noticed(outcomes: Vec<Result<u32, AppError>>) -> String {
    let errors: Vec<_> = outcomes.into_iter().map(Result::unwrap_err).collect();
    let mut noticed: Vec<_> = errors.iter().filter(|error| kind(error) == ErrorKind::Misuse).collect();
    let noticed = noticed.pop().filter(|_| noticed.is_empty()).expect("one call notices");
    assert!(errors.iter().all(|error| matches!(kind(error), ErrorKind::Misuse | ErrorKind::LeaderFailed)));
    noticed.to_string()
}

/// Calls itself with the next key once all keys are being computed. `wait` would end a cycle that is not noticed.
#[dspinlock(client = client, key = number, cached, wait = "20s")]
fn member(client: &Client, number: u32, all: &(Barrier, u32)) -> Result<u32, AppError> {
    all.0.wait();
    member(client, (number + 1) % all.1, all)
}

#[dspinlock(client = client, key = number, cached, wait = "20s")]
async fn member_async(
    client: &Client,
    number: u32,
    all: &(tokio::sync::Barrier, u32),
) -> Result<u32, AppError> {
    all.0.wait().await;
    Box::pin(member_async(client, (number + 1) % all.1, all)).await
}

#[test]
fn a_cycle_of_threads_is_an_error_that_names_its_members() {
    for rig in rigs() {
        for size in [2, 3, 7] {
            let all = (Barrier::new(size as usize), size);
            let outcomes = thread::scope(|scope| {
                let calls: Vec<_> = (0..size)
                    .map(|number| (number, &rig.ours, &all))
                    .map(|(number, client, all)| scope.spawn(move || member(client, number, all)))
                    .collect();
                calls.into_iter().map(|call| call.join().unwrap()).collect()
            });
            let noticed = noticed(outcomes);
            for number in 0..size {
                assert!(noticed.contains(&format!("::member` of key {number}")), "{noticed}");
            }
        }
    }
}

#[tokio::test]
async fn a_cycle_of_tasks_is_an_error_that_names_its_members() {
    for rig in rigs() {
        for size in [2, 3, 7] {
            let all = Arc::new((tokio::sync::Barrier::new(size as usize), size));
            let calls: Vec<_> = (0..size)
                .map(|number| (number, rig.ours.clone(), Arc::clone(&all)))
                .map(|(number, client, all)| {
                    tokio::spawn(async move { member_async(&client, number, &all).await })
                })
                .collect();
            let mut outcomes = Vec::new();
            for call in calls {
                outcomes.push(call.await.unwrap());
            }
            let noticed = noticed(outcomes);
            assert!(noticed.contains("::member_async` of key 0"), "{noticed}");
            assert!(noticed.contains("::member_async` of key 1"), "{noticed}");
        }
    }
}

/// Two locks, taken in opposite orders.
#[dspinlock(client = client, key = number, namespace = "cycles::locked", wait = "20s")]
fn outer(client: &Client, number: u32, both: &Barrier) -> Result<u32, AppError> {
    both.wait();
    inner(client, 1 - number)
}

#[dspinlock(client = client, key = number, namespace = "cycles::locked", wait = "20s")]
fn inner(client: &Client, number: u32) -> Result<u32, AppError> {
    Ok(number)
}

#[test]
fn two_locks_in_opposite_orders_are_an_error_for_one_caller_only() {
    for rig in rigs() {
        let both = Barrier::new(2);
        let (first, second) = thread::scope(|scope| {
            let calls = [0, 1]
                .map(|number| (number, &rig.ours, &both))
                .map(|(number, client, both)| scope.spawn(move || outer(client, number, both)));
            let [first, second] = calls.map(|call| call.join().unwrap());
            (first, second)
        });
        let (good, bad): (Vec<_>, Vec<_>) = [first, second].into_iter().partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (1, 1), "{bad:?}");
        let error = bad.into_iter().next().unwrap().unwrap_err();
        assert_eq!(kind(&error), ErrorKind::Misuse, "{error}");
        let text = error.to_string();
        assert!(text.contains("::outer` of key 0") && text.contains("::outer` of key 1"), "{text}");
    }
}

/// A value whose computation needs the lock of a call that waits for the value.
#[dspinlock(client = client, key = (), namespace = "cycles::mixed", wait = "20s")]
fn lock_then_value(client: &Client, both: &Barrier) -> Result<u32, AppError> {
    both.wait();
    value_then_lock(client, both)
}

#[dspinlock(client = client, key = (), cached, wait = "20s")]
fn value_then_lock(client: &Client, both: &Barrier) -> Result<u32, AppError> {
    both.wait();
    value_of_the_lock(client)
}

#[dspinlock(client = client, key = (), namespace = "cycles::mixed", cached, wait = "20s")]
fn value_of_the_lock(client: &Client) -> Result<u32, AppError> {
    Ok(1)
}

#[test]
fn a_lock_and_a_value_that_wait_for_each_other_are_an_error() {
    for rig in rigs() {
        let (client, both) = (&rig.ours, &Barrier::new(2));
        let (value, locked) = thread::scope(|scope| {
            let locked = scope.spawn(|| lock_then_value(client, both));
            (value_then_lock(client, both), locked.join().unwrap())
        });
        // If the lock's caller notices the cycle, it gives the lock back and the value can be computed.
        let (noticed, other) = match (&value, &locked) {
            (Ok(1), Err(noticed)) => (noticed, "::value_then_lock`"),
            (Err(noticed), Err(failed)) if kind(failed) == ErrorKind::LeaderFailed => {
                (noticed, "::lock_then_value`")
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(kind(noticed), ErrorKind::Misuse, "{noticed}");
        assert!(noticed.to_string().contains(other), "{noticed}");
    }
}

// The leader is in a cycle, and its followers are not.

/// Holds the lock of the value, and waits for that of `needs_the_value`.
#[dspinlock(client = client, key = (), namespace = "cycles::led", wait = "20s")]
async fn needs_the_other(client: &Client, holds: &Notify) -> Result<u32, AppError> {
    holds.notify_one();
    the_other(client).await
}

#[dspinlock(client = client, key = (), namespace = "cycles::other", wait = "20s")]
async fn the_other(client: &Client) -> Result<u32, AppError> {
    Ok(1)
}

#[dspinlock(client = client, key = (), namespace = "cycles::other", wait = "20s")]
async fn needs_the_value(client: &Client, holds: &Notify, go_on: &Notify) -> Result<u32, AppError> {
    holds.notify_one();
    go_on.notified().await;
    the_value(client).await
}

#[dspinlock(client = client, key = (), namespace = "cycles::led", cached, wait = "20s")]
async fn the_value(client: &Client) -> Result<u32, AppError> {
    Ok(7)
}

/// One caller leads and ten follow; `leads` says whether the leader is the one in the cycle.
async fn followers_of_the_one_in_a_cycle(leads: bool) {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client: &'static Client = Box::leak(Box::new(Client::connect(&proxy.url()).unwrap()));
    let signals: &'static [Notify; 3] = Box::leak(Box::default());
    let [holds, go_on, holds_the_record] = signals;
    let in_a_cycle = tokio::spawn(needs_the_value(client, holds, go_on));
    holds.notified().await;
    // It makes its second attempt from the line.
    let looks = || server.calls("evalsha");
    let before = looks();
    let holder = tokio::spawn(needs_the_other(client, holds_the_record));
    holds_the_record.notified().await;
    // Its task has to run meanwhile.
    while looks() < before + 3 {
        tokio::task::yield_now().await;
    }
    // They all join during the leader's attempt.
    proxy.delay(Direction::Replies, Duration::from_millis(50));
    let innocent = |number: u32| (0..number).map(|_| tokio::spawn(the_value(client))).collect::<Vec<_>>();
    let mut others = innocent(u32::from(!leads));
    tokio::task::yield_now().await;
    go_on.notify_one();
    tokio::task::yield_now().await;
    others.extend(innocent(10));
    let error = in_a_cycle.await.unwrap().unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Misuse, "{error}");
    assert_eq!(holder.await.unwrap().unwrap(), 1);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), 7);
    }
}

#[tokio::test]
async fn another_caller_succeeds_a_leader_in_a_cycle() {
    followers_of_the_one_in_a_cycle(true).await;
}

#[tokio::test]
async fn a_follower_in_a_cycle_does_not_end_its_leader() {
    followers_of_the_one_in_a_cycle(false).await;
}

/// Each key needs some of the later ones, so there is no cycle.
#[dspinlock(client = client, key = (round, number), cached)]
fn later(client: &Client, round: u32, number: u32, runs: &Runs) -> Result<u32, AppError> {
    runs.run()?;
    let needs = (number + 1..10).filter(|need| !(need * 7 + number * 3 + round).is_multiple_of(3));
    needs.map(|need| later(client, round, need, runs)).sum::<Result<u32, _>>().map(|sum| sum + 1)
}

#[test]
fn waits_without_a_cycle_are_no_error() {
    for rig in rigs() {
        for round in 0..10 {
            let runs = Runs::default();
            thread::scope(|scope| {
                for number in 0..20 {
                    let (client, runs) = (&rig.ours, &runs);
                    scope.spawn(move || later(client, round, number % 10, runs).unwrap());
                }
            });
            assert_eq!(runs.count(), 10);
        }
    }
}

#[dspinlock(client = client, key = (), cached, wait = "20s")]
async fn hasty(client: &Client, given_up: &Notify, body: &Body) -> Result<u32, AppError> {
    let other = tokio::time::timeout(Duration::from_millis(20), patient_async(client, given_up, body));
    assert!(other.await.is_err(), "it computes until it is told that it was given up");
    given_up.notify_one();
    tokio::task::yield_now().await;
    Ok(1)
}

#[dspinlock(client = client, key = (), cached, wait = "20s")]
async fn patient_async(client: &Client, given_up: &Notify, body: &Body) -> Result<u32, AppError> {
    body.wait();
    given_up.notified().await;
    Box::pin(hasty(client, given_up, body)).await
}

#[test]
fn a_wait_that_has_ended_counts_no_longer() {
    for rig in rigs() {
        let (given_up, (body, test)) = (Notify::new(), signals());
        let (client, given_up, body) = (&rig.ours, &given_up, &body);
        thread::scope(|scope| {
            let patient = scope.spawn(|| block_on(patient_async(client, given_up, body)));
            test.entered();
            test.finish();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            assert_eq!(runtime.block_on(hasty(client, given_up, body)).unwrap(), 1);
            assert_eq!(patient.join().unwrap().unwrap(), 1);
        });
    }
}

// Cycles that one process can't see are logged.

#[dspinlock(client = client, key = ("slow", number), cached, lease = "2s", wait = "20s")]
fn slow(client: &Client, number: u32, body: &Body) -> Result<u32, AppError> {
    body.wait();
    Ok(number)
}

#[test]
fn a_long_wait_for_another_caller_is_logged_once() {
    let log = Log::of_this_process();
    for (number, rig) in (100..).zip(rigs()) {
        let (body, test) = signals();
        let (client, body) = (&rig.ours, &body);
        thread::scope(|scope| {
            let leader = scope.spawn(move || slow(client, number, body));
            test.entered();
            let followers = [(); 5].map(|()| scope.spawn(move || slow(client, number, body)));
            let key = format!("\"slow\", {number}");
            let line = [&*key, "still waiting", "another caller of this process", "::slow`"];
            log.wait_for(&line);
            test.finish();
            for caller in followers.into_iter().chain([leader]) {
                assert_eq!(caller.join().unwrap().unwrap(), number);
            }
            assert_eq!(log.count(&line), 1);
        });
    }
}

#[test]
fn a_long_wait_for_another_process_is_logged_with_the_holder() {
    let (log, rig, (body, test)) = (Log::of_this_process(), redis(), signals());
    thread::scope(|scope| {
        let holder = scope.spawn(|| slow(&rig.theirs, 200, &body));
        test.entered();
        let waiter = scope.spawn(|| slow(&rig.ours, 200, &body));
        let pid = std::process::id().to_string();
        let line = ["\"slow\", 200", "still waiting", &*pid];
        log.wait_for(&line);
        test.finish();
        assert_eq!(holder.join().unwrap().unwrap(), 200);
        assert_eq!(waiter.join().unwrap().unwrap(), 200);
        assert_eq!(log.count(&line), 1);
    });
}

/// It waits for itself through a thread, which the library can't see.
#[dspinlock(client = client, key = "by a thread", cached, lease = "1s", wait = "4s")]
fn through_a_thread(client: &Client, depth: &AtomicU32) -> Result<u32, AppError> {
    assert_eq!(depth.fetch_add(1, Ordering::SeqCst), 0);
    thread::scope(|scope| scope.spawn(|| through_a_thread(client, depth)).join().unwrap())
}

#[test]
fn a_call_that_waits_for_itself_through_a_thread_is_logged() {
    let log = Log::of_this_process();
    let refused = through_a_thread(&Client::memory(), &AtomicU32::new(0)).unwrap_err();
    assert_eq!(kind(&refused), ErrorKind::Contended);
    assert_eq!(log.count(&["by a thread", "still waiting", "::through_a_thread`"]), 1);
}
