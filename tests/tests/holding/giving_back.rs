//! Guards that are dropped, cancelled or unwound, or that end with their runtime.

use dspinlock::{Client, Config, DSpinlock, ErrorKind, State, dspinlock};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig, block_on, eventually, ms, on_every_rig, timed, within};
use std::future::pending;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc::unbounded_channel;

on_every_rig!(
    a_cancelled_release_goes_on,
    the_key_of_a_failed_body_is_free,
    the_key_of_a_panicking_body_is_free
);

const MINUTE: Duration = Duration::from_secs(60);

fn is_free(lock: &DSpinlock) -> bool {
    lock.inspect_blocking().unwrap().is_none()
}

fn a_cancelled_release_goes_on(rig: &Rig) {
    let lock = rig.lock("cancelled release");
    let guard = rig.acquire(&lock).unwrap();
    block_on(async {
        let mut release = std::pin::pin!(guard.release());
        // Polled once, then dropped.
        std::future::poll_fn(|context| {
            let _ = release.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    });
    eventually("COMPUTED", || {
        lock.inspect_blocking().unwrap().is_some_and(|seen| seen.state() == State::Computed)
    });

    // Never polled: a dropped guard.
    drop(rig.acquire(&lock).unwrap().release());
    eventually("free", || is_free(&lock));
}

#[dspinlock(key = key, namespace = "", client = client, cached, on_error = |error| Err(error.to_string()))]
fn fail(client: &Client, key: &str, how: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
    how()
}

#[dspinlock(key = key, namespace = "", client = client, cached, on_error = |error| Err(error.to_string()))]
async fn fail_async(client: &Client, key: &str, how: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
    tokio::task::yield_now().await;
    how()
}

fn run(rig: &Rig, name: &str, how: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
    match rig.api {
        Api::Blocking => fail(&rig.client, &rig.key(name), how),
        Api::Async => block_on(fail_async(&rig.client, &rig.key(name), how)),
    }
}

/// `cached` marks the key COMPUTED, which would remember a failure as a success.
fn the_key_of_a_failed_body_is_free(rig: &Rig) {
    let returned = run(rig, "failed body", &|| Err("it went wrong".to_owned()));
    assert_eq!(returned, Err("it went wrong".to_owned()));
    assert!(is_free(&rig.lock("failed body")));
    run(rig, "failed body", &|| Ok(())).unwrap();
    assert_eq!(rig.inspect(&rig.lock("failed body")).unwrap().unwrap().state(), State::Computed);
}

fn the_key_of_a_panicking_body_is_free(rig: &Rig) {
    let unwound = thread::scope(|scope| {
        scope.spawn(|| run(rig, "panicking body", &|| panic!("on purpose"))).join().is_err()
    });
    assert!(unwound);
    eventually("the key is free", || is_free(&rig.lock("panicking body")));
}

fn impatient(server: &Server) -> Client {
    let config = Config::from_url(&server.url())
        .unwrap()
        .with_connect_timeout(ms(1_000))
        .with_response_timeout(ms(1_000));
    Client::from_config(&config).unwrap()
}

#[test]
fn releases_that_a_dead_server_missed_are_sent_when_it_is_back() {
    let server = Server::start();
    let client = impatient(&server);
    let locks = [client.lock("by drop"), client.lock("by abandon"), client.lock("by release")];
    let locks = locks.map(|lock| lock.lease(10 * MINUTE));
    let [dropped, abandoned, released] = [0, 1, 2].map(|n| locks[n].acquire_blocking().unwrap());
    let [dropped_async, abandoned_async] =
        ["drop", "abandon"].map(|name| block_on(client.lock(name).lease(10 * MINUTE).acquire()).unwrap());

    server.pause();
    drop((dropped, dropped_async));
    // These two wait for the server for a limited time.
    let (refused, took) = timed(|| abandoned.abandon_blocking().unwrap_err());
    assert_eq!(refused.kind(), ErrorKind::Backend);
    assert!(took < MINUTE, "{took:?}");
    assert_eq!(block_on(abandoned_async.abandon()).unwrap_err().kind(), ErrorKind::Backend);
    assert_eq!(released.release_blocking().unwrap_err().kind(), ErrorKind::Backend);

    server.resume();
    // The client sends nothing before a probe has found the server.
    let direct = Client::from_url(&server.url()).unwrap();
    let state = |name: &str| direct.lock(name).inspect_blocking().unwrap().map(|seen| seen.state());
    for name in ["by drop", "by abandon", "drop", "abandon"] {
        within(Duration::from_secs(20), name, || state(name).is_none());
    }
    within(Duration::from_secs(20), "released", || state("by release") == Some(State::Computed));
}

/// The first drop may wait for a moment, since the process may be about to end.
#[test]
fn many_drops_on_a_dead_server_wait_once() {
    let server = Server::start();
    let client = impatient(&server);
    let guards: Vec<_> =
        (0..1_000).map(|n| client.lock(n).lease(MINUTE).acquire_blocking().unwrap()).collect();
    server.pause();
    let ((), took) = timed(|| drop(guards));
    // If each waited, it would take 50 s.
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("1,000 drops took {took:?}");
    server.resume();
}

/// Other tasks of the thread would have to wait as well.
#[test]
fn a_drop_on_a_thread_of_a_runtime_does_not_wait() {
    let server = Server::start();
    let client = impatient(&server);
    let guards: Vec<_> = (0..10).map(|n| client.lock(n).lease(MINUTE).acquire_blocking().unwrap()).collect();
    server.pause();
    // Each on a thread of its own, since many drops on one thread wait once. The quickest counts, since the machine may be busy.
    let quickest = guards.into_iter().map(|guard| {
        let thread = thread::spawn(|| {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { timed(|| drop(guard)).1 })
        });
        thread.join().unwrap()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < ms(25), "{quickest:?}");
    server.resume();
}

#[test]
fn the_end_of_a_runtime_gives_back_what_its_tasks_held() {
    const TASKS: usize = 20;
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    for workers in [None, Some(2)] {
        let mut builder = workers.map_or_else(Builder::new_current_thread, |workers| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        });
        let runtime = builder.enable_all().build().unwrap();
        let (held, mut holders) = unbounded_channel();
        for n in 0..TASKS {
            let (client, held, waiter) = (client.clone(), held.clone(), waiting(&client, n));
            runtime.spawn(async move {
                let _guard = client.lock(n).lease(MINUTE).acquire().await.unwrap();
                held.send(()).unwrap();
                pending::<()>().await;
            });
            // A waiter for each.
            runtime.spawn(async move { waiter.acquire().await });
        }
        runtime.block_on(async {
            for _ in 0..TASKS {
                holders.recv().await.unwrap();
            }
        });
        runtime.shutdown_timeout(Duration::ZERO);
        for n in 0..TASKS {
            let lock = waiting(&client, n);
            within(Duration::from_secs(5), "free again", || is_free(&lock));
        }
    }
}

fn waiting(client: &Client, n: usize) -> DSpinlock {
    client.lock(n).lease(MINUTE).sleep(ms(5)).wait(MINUTE)
}

/// The future is dropped in the middle of its body.
#[test]
fn dropping_an_annotated_future_gives_the_lock_back() {
    #[dspinlock(key = key, namespace = "", client = client)]
    async fn hang(client: &Client, key: &str, started: &tokio::sync::Notify) -> Result<(), dspinlock::Error> {
        started.notify_one();
        pending().await
    }

    let rig = Rig::redis(Api::Async);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let started = tokio::sync::Notify::new();
    runtime.block_on(async {
        tokio::select! {
            _ = hang(&rig.client, "hang", &started) => unreachable!("it never ends"),
            () = started.notified() => {}
        }
    });
    within(Duration::from_secs(5), "free again", || is_free(&rig.client.lock("hang")));
}

/// A dropped waiter must send no more requests, and must not take the lock when it becomes free.
#[test]
fn a_dropped_waiter_sends_no_more_requests() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let held = client.lock(0).lease(MINUTE).acquire_blocking().unwrap();
    let asked = || server.calls("evalsha");
    let before = asked();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lock = waiting(&client, 0);
        let waiter = tokio::spawn(async move { lock.acquire().await });
        while asked() < before + 2 {
            tokio::task::yield_now().await;
        }
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    });
    block_on(client.ping()).unwrap();
    let before = asked();
    held.release_blocking().unwrap();
    thread::sleep(ms(100));
    // The release, and perhaps an abandon for a request that was on its way.
    assert!(asked() <= before + 2, "{} requests", asked() - before);
}
