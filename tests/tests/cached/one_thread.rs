//! Blocking and async callers of one value on the thread of a current-thread runtime, where a blocking call stops the tasks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, ErrorKind, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::Log;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::cycles::kind;
use crate::support::{AppError, Body, Rig, Runs, redis, rigs, signals};

#[dspinlock(client = client, key = (), cached(schema = "number"), namespace = "cycles::apis", wait = "20s")]
async fn by_a_task(client: &Client, begun: &AtomicBool, go_on: &Notify) -> Result<u32, AppError> {
    begun.store(true, Ordering::SeqCst);
    go_on.notified().await;
    Ok(1)
}

#[dspinlock(client = client, key = (), cached(schema = "number"), namespace = "cycles::apis", wait = "20s")]
fn by_a_thread(client: &Client, runs: &Runs) -> Result<u32, AppError> {
    runs.run()
}

#[dspinlock(client = client, key = (), namespace = "cycles::apis", wait = "20s")]
fn under_the_lock(client: &Client) -> Result<u32, AppError> {
    Ok(2)
}

fn assert_blocks_its_own_thread<T: std::fmt::Debug>(outcome: Result<T, AppError>) {
    let error = outcome.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Misuse, "{error}");
    assert!(error.to_string().contains("spawn_blocking"), "{error}");
    assert!(error.to_string().contains("::by_a_task`"), "{error}");
}

/// What a leading task and the calls beside it share.
struct State {
    client: Client,
    begun: AtomicBool,
    go_on: Notify,
    runs: Runs,
}

/// Starts a task that leads, and returns once its body runs.
async fn lead(client: &Client) -> (Arc<State>, JoinHandle<Result<u32, AppError>>) {
    let client = client.clone();
    let (begun, go_on, runs) = (AtomicBool::new(false), Notify::new(), Runs::default());
    let state = Arc::new(State { client, begun, go_on, runs });
    let leader = tokio::spawn({
        let state = Arc::clone(&state);
        async move { by_a_task(&state.client, &state.begun, &state.go_on).await }
    });
    while !state.begun.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    (state, leader)
}

#[tokio::test]
async fn a_blocking_call_does_not_wait_for_a_task_of_its_own_thread() {
    for rig in rigs() {
        let (state, leader) = lead(&rig.ours).await;
        assert_blocks_its_own_thread(by_a_thread(&state.client, &state.runs));
        assert_blocks_its_own_thread(under_the_lock(&state.client));
        // A call on another thread may wait, of the same runtime too.
        let follower = tokio::task::spawn_blocking({
            let state = Arc::clone(&state);
            move || by_a_thread(&state.client, &state.runs)
        });
        // So may an async call.
        let other = by_a_task(&state.client, &state.begun, &state.go_on);
        state.go_on.notify_one();
        assert_eq!(other.await.unwrap(), 1);
        assert_eq!(leader.await.unwrap().unwrap(), 1);
        assert_eq!(follower.await.unwrap().unwrap(), 1);
        assert_eq!(state.runs.count(), 0);
    }
}

// The same while the task waits for the lock.

#[dspinlock(client = client, key = ("turn", number), cached(schema = "number"), namespace = "cycles::turns")]
fn turn_elsewhere(client: &Client, number: u32, body: &Body) -> Result<u32, AppError> {
    body.wait();
    Ok(5)
}

/// Its lease is short, so that its wait is soon logged.
#[dspinlock(
    client = client, key = ("turn", number), cached(schema = "number"), namespace = "cycles::turns",
    lease = "50ms", wait = "20s"
)]
fn turn_of_a_thread(client: &Client, number: u32) -> Result<u32, AppError> {
    Ok(number)
}

#[dspinlock(
    client = client, key = ("turn", number), cached(schema = "number"), namespace = "cycles::turns", wait = "20s"
)]
async fn by_a_task_in_turn(client: &Client, number: u32) -> Result<u32, AppError> {
    Ok(number)
}

/// The outcome of a blocking call that waits for a task of its own thread. Once the wait is logged, `end` ends the turn that
/// the task waits for.
async fn blocked_till(rig: &Rig, number: u32, end: impl FnOnce() + Send + 'static) -> Result<u32, AppError> {
    let log = Log::of_this_process();
    let asked = || rig.server.as_ref().unwrap().calls("evalsha");
    let before = asked();
    let leader = tokio::spawn({
        let client = rig.ours.clone();
        async move { by_a_task_in_turn(&client, number).await }
    });
    while asked() == before {
        tokio::task::yield_now().await;
    }
    let ends = thread::spawn(move || {
        let line =
            [&*format!("\"turn\", {number}"), "another caller of this process", "::by_a_task_in_turn`"];
        log.wait_for(&line);
        end();
    });
    let outcome = turn_of_a_thread(&rig.ours, number);
    ends.join().unwrap();
    leader.await.unwrap().unwrap();
    outcome
}

#[tokio::test]
async fn a_blocking_call_waits_for_a_task_until_the_task_has_to_compute() {
    let (rig, (body, test)) = (redis(), signals());
    let theirs = rig.theirs.clone();
    let elsewhere = thread::spawn(move || turn_elsewhere(&theirs, 1, &body));
    test.entered();
    assert_eq!(blocked_till(&rig, 1, move || test.finish()).await.unwrap(), 5);
    assert_eq!(elsewhere.join().unwrap().unwrap(), 5);

    let held = rig.theirs.lock(("turn", 2_u32)).namespace("cycles::turns").acquire().await.unwrap();
    let error = blocked_till(&rig, 2, move || held.abandon_blocking().unwrap()).await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Misuse, "{error}");
    assert!(error.to_string().contains("spawn_blocking"), "{error}");
    assert!(error.to_string().contains("::by_a_task_in_turn`"), "{error}");
}

#[tokio::test]
async fn a_blocking_call_waits_for_the_request_of_a_task() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = Client::connect(&proxy.url()).unwrap();
    assert_eq!(by_a_task_in_turn(&client, 3).await.unwrap(), 3);
    proxy.delay(Direction::Replies, Duration::from_millis(50));
    let looks = tokio::spawn({
        let client = client.clone();
        async move { by_a_task_in_turn(&client, 3).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(turn_of_a_thread(&client, 3).unwrap(), 3);
    assert_eq!(looks.await.unwrap().unwrap(), 3);
}

/// The call waits for a thread that waits for a task that only this thread can poll.
#[dspinlock(client = client, key = (), cached, wait = "20s")]
fn in_between(client: &Client, begun: &mpsc::SyncSender<()>, runs: &Runs) -> Result<u32, AppError> {
    begun.send(()).unwrap();
    by_a_thread(client, runs)
}

#[tokio::test]
async fn a_blocking_call_does_not_wait_for_a_thread_that_waits_for_such_a_task() {
    for rig in rigs() {
        let (state, leader) = lead(&rig.ours).await;
        let (begun, begins) = mpsc::sync_channel(2);
        let between = thread::spawn({
            let (state, begun) = (Arc::clone(&state), begun.clone());
            move || in_between(&state.client, &begun, &state.runs)
        });
        begins.recv().unwrap();
        let here = in_between(&state.client, &begun, &state.runs);
        state.go_on.notify_one();
        assert_eq!(leader.await.unwrap().unwrap(), 1);
        // The one that begins to wait last notices.
        let there = between.join().unwrap();
        let noticed = there.as_ref().err().or(here.as_ref().err()).expect("one of them notices");
        assert_eq!(kind(noticed), ErrorKind::Misuse, "{noticed}");
        assert!(noticed.to_string().contains("spawn_blocking"), "{noticed}");
        assert_eq!(kind(&here.unwrap_err()) == ErrorKind::Misuse, there.is_ok());
    }
}

#[dspinlock(
    client = client, key = (), cached(schema = "text", max_value = "8B"), namespace = "cycles::large", wait = "20s"
)]
async fn large_by_a_task(client: &Client, begun: &Notify, go_on: &Notify) -> Result<String, AppError> {
    begun.notify_one();
    go_on.notified().await;
    Ok("more than eight bytes".to_owned())
}

#[dspinlock(
    client = client, key = (), cached(schema = "text", max_value = "8B"), namespace = "cycles::large", wait = "20s"
)]
fn large_by_a_thread(client: &Client) -> Result<String, AppError> {
    Ok("more than eight bytes".to_owned())
}

/// A value that is known to be too large is computed without the lock.
#[tokio::test]
async fn a_blocking_call_does_not_wait_for_a_task_that_computes_without_the_lock() {
    for rig in rigs() {
        let state = Arc::new((rig.ours.clone(), Notify::new(), Notify::new()));
        for knows in [false, true] {
            let leader = tokio::spawn({
                let state = Arc::clone(&state);
                async move { large_by_a_task(&state.0, &state.1, &state.2).await }
            });
            state.1.notified().await;
            if knows {
                let error = large_by_a_thread(&state.0).unwrap_err();
                assert_eq!(kind(&error), ErrorKind::Misuse, "{error}");
            }
            state.2.notify_one();
            leader.await.unwrap().unwrap();
        }
    }
}
