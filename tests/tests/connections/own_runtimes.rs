//! Async callers send from their own task, over a connection that their runtime drives and takes with it.

use dspinlock::{Client, Config, DSpinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{eventually, ms};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn connected(server: &Server) -> u64 {
    server.info("clients")["connected_clients"].parse().unwrap()
}

async fn turn(lock: &DSpinlock) {
    lock.acquire().await.unwrap().release().await.unwrap();
}

/// Takes turns until this runtime has a connection of its own.
async fn get_a_connection(server: &Server, lock: &DSpinlock) {
    let before = connected(server);
    while connected(server) == before {
        turn(lock).await;
        tokio::task::yield_now().await;
    }
    turn(lock).await;
}

/// A server, and a client whose library's thread has its connections open.
fn scene() -> (Server, Client) {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    pollster::block_on(turn(&client.lock("scene")));
    (server, client)
}

/// The same with a proxy between them.
fn scene_behind_a_proxy() -> (Server, Proxy, Client) {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = Client::connect(&proxy.url()).unwrap();
    pollster::block_on(turn(&client.lock("scene")));
    (server, proxy, client)
}

#[test]
fn a_runtime_takes_its_connection_with_it() {
    let (server, client) = scene();
    let before = connected(&server);
    for runtime in [current_thread(), multi_thread(), current_thread()] {
        runtime.block_on(get_a_connection(&server, &client.lock("key")));
        assert_eq!(connected(&server), before + 1);
        drop(runtime);
        eventually("the connection has gone", || connected(&server) == before);
    }
}

#[test]
fn a_client_takes_the_connections_of_its_runtimes_with_it() {
    let (server, client) = scene();
    let runtime = multi_thread();
    runtime.block_on(get_a_connection(&server, &client.lock("key")));
    drop(client);
    // What is left is the test's own.
    eventually("the connections have gone", || connected(&server) == 1);
}

#[test]
fn many_short_runtimes_leave_nothing_behind() {
    let (server, client) = scene();
    let before = connected(&server);
    for _ in 0..300 {
        current_thread().block_on(async {
            for _ in 0..3 {
                turn(&client.lock("key")).await;
            }
        });
    }
    eventually("their connections have gone", || connected(&server) == before);
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    assert!(names.filter(|name| name.starts_with("dspinlock-io")).count() <= 1);
}

#[test]
fn the_number_of_connections_is_bounded() {
    let (server, client) = scene();
    let before = connected(&server);
    let runtimes: Vec<_> = (0..20).map(|_| current_thread()).collect();
    for _ in 0..10 {
        for runtime in &runtimes {
            runtime.block_on(turn(&client.lock("key")));
        }
    }
    assert!(connected(&server) <= before + 16);
}

/// Nobody reads the reply that comes over the connection of such a runtime.
#[test]
fn a_runtime_that_nobody_runs_costs_a_time_limit() {
    let (server, _) = scene();
    let config = Config::from_url(&server.url()).unwrap().with_response_timeout(ms(300));
    let client = Client::from_config(&config).unwrap();
    let runtime = current_thread();
    runtime.block_on(get_a_connection(&server, &client.lock("key")));
    thread::scope(|scope| {
        // This polls the future, and neither the connection nor the timers.
        scope.spawn(|| runtime.handle().block_on(turn(&client.lock("key"))));
    });
}

#[test]
fn a_runtime_that_ends_before_the_reply_leaves_no_lock_behind() {
    let (server, proxy, client) = scene_behind_a_proxy();
    let lock = client.lock("key").lease(Duration::from_secs(60)).wait(Duration::from_secs(20));
    for _ in 0..5 {
        let runtime = multi_thread();
        runtime.block_on(get_a_connection(&server, &lock));
        let before = server.calls("evalsha");
        proxy.delay(Direction::Replies, ms(200));
        let taken = lock.clone();
        runtime.spawn(async move { taken.acquire().await });
        eventually("the request is there", || server.calls("evalsha") > before);
        runtime.shutdown_background();
        proxy.delay(Direction::Replies, Duration::ZERO);
        lock.acquire_blocking().unwrap().release_blocking().unwrap();
    }
}

#[test]
fn a_release_goes_on_when_its_runtime_ends() {
    let (server, proxy, client) = scene_behind_a_proxy();
    let lock = client.lock("key").lease(Duration::from_secs(60)).expire(Duration::from_secs(60));
    let runtime = multi_thread();
    runtime.block_on(get_a_connection(&server, &lock));
    let guard = runtime.block_on(lock.acquire()).unwrap();
    let before = server.calls("evalsha");
    proxy.blackhole(Direction::Requests, true);
    let (polled, is_polled) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let mut release = std::pin::pin!(guard.release());
        std::future::poll_fn(|context| {
            let poll = release.as_mut().poll(context);
            let _ = polled.send(());
            poll
        })
        .await
    });
    is_polled.recv().unwrap();
    runtime.shutdown_background();
    assert_eq!(server.calls("evalsha"), before);
    proxy.blackhole(Direction::Requests, false);
    proxy.cut_all();
    eventually("the key is COMPUTED", || {
        lock.inspect_blocking().unwrap().is_some_and(|found| found.state() == dspinlock::State::Computed)
    });
}

#[test]
fn a_broken_connection_is_replaced() {
    let (server, client) = scene();
    let runtime = current_thread();
    for _ in 0..3 {
        runtime.block_on(get_a_connection(&server, &client.lock("key")));
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }
    runtime.block_on(turn(&client.lock("key")));
}

/// The library's thread serves it.
#[test]
fn a_runtime_without_drivers_is_enough() {
    let (server, client) = scene();
    let before = connected(&server);
    let runtime = Builder::new_current_thread().build().unwrap();
    for _ in 0..10 {
        runtime.block_on(turn(&client.lock("key")));
    }
    assert_eq!(connected(&server), before);
}

/// Such a clock jumps to the next timer whenever the runtime has nothing to do.
#[test]
fn the_clock_of_a_test_ends_no_request() {
    let (server, client) = scene();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        get_a_connection(&server, &client.lock("key")).await;
        let hour = tokio::time::timeout(Duration::from_secs(3_600), std::future::pending::<()>());
        let turns = async {
            for _ in 0..20 {
                turn(&client.lock("key")).await;
            }
        };
        tokio::join!(turns, hour).1.unwrap_err();
    });
}

#[test]
fn other_executors_need_no_tokio() {
    let (server, client) = scene();
    let (before, client) = (connected(&server), Arc::new(client));
    smol::block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let client = Arc::clone(&client);
                smol::spawn(async move { turn(&client.lock("key").wait(Duration::from_secs(20))).await })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(connected(&server), before);
}

#[dspinlock::dspinlock(client = client, key = (), cached, on_error = |error| panic!("{error}"))]
async fn computed(client: &Client) -> u32 {
    17
}

#[test]
fn other_executors_wait_are_woken_share_values_and_cancel() {
    let (server, client) = scene();
    let lock = client.lock("key").lease(Duration::from_secs(60)).wait(Duration::from_secs(20));
    smol::block_on(async {
        let held = lock.acquire().await.unwrap();
        // Dropped half-way, an attempt takes nothing.
        drop(smol::future::poll_once(Box::pin(lock.acquire())).await);
        let waiter = smol::spawn({
            let lock = lock.clone().sleep(Duration::from_secs(20));
            async move { lock.acquire().await.unwrap().release().await.unwrap() }
        });
        eventually("it waits", || server.calls("client|caching") > 0);
        // Without a wake-up it would look again when its time is over.
        held.release().await.unwrap();
        waiter.await;
        assert_eq!((computed(&client).await, computed(&client).await), (17, 17));
    });
}
