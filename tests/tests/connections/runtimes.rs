//! Threads and runtimes of every kind come and go while the client stays.

use dspinlock::{Client, Config, DSpinlock, ErrorKind};
use dspinlock_testkit::Server;
use dspinlock_tests::{block_on, ms, timed};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// One client for the whole process, as in a user's program.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let config = Config::from_url(&SERVER.url()).unwrap().with_response_timeout(PROMPT * 3);
    Client::from_config(&config).unwrap()
});
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Far below the response timeout, which a connection without a driver would reach.
const PROMPT: Duration = Duration::from_secs(20);

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn turn(name: &str) {
    let guard = CLIENT.lock(name).acquire().await.unwrap();
    tokio::task::yield_now().await;
    guard.release().await.unwrap();
}

fn blocking_turn(name: &str) {
    CLIENT.lock(name).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn runtimes_come_and_go() {
    let mut idle = Vec::new();
    for round in 0..30 {
        let runtime = if round % 3 == 0 { multi_thread() } else { current_thread() };
        let ((), took) = timed(|| runtime.block_on(turn("round")));
        assert!(took < PROMPT, "round {round}: {took:?}");
        let ((), took) = timed(|| blocking_turn("round"));
        assert!(took < PROMPT, "round {round}, blocking: {took:?}");
        if round % 5 == 0 {
            // The runtime stays, but nothing runs in it any more.
            idle.push(runtime);
        }
    }
}

/// Tests on runtimes of their own, as `#[tokio::test]` makes them.
macro_rules! tests_of_a_user {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            for _ in 0..3 {
                turn(stringify!($name)).await;
            }
        })*
    };
}
tests_of_a_user!(a_users_first_test a_users_second_test a_users_third_test a_users_fourth_test);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_multi_threaded_runtime_share_the_client() {
    let tasks: Vec<_> =
        (0..64).map(|n| tokio::spawn(async move { turn(&format!("task {n}")).await })).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn plain_threads_share_the_client() {
    thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                for _ in 0..5 {
                    blocking_turn(&format!("thread {n}"));
                    block_on(turn_without_tokio(&format!("future {n}")));
                }
            });
        }
    });
}

/// Works without a runtime.
async fn turn_without_tokio(name: &str) {
    let lock = CLIENT.lock(name);
    let guard = lock.acquire().await.unwrap();
    assert!(lock.try_acquire().await.unwrap().is_none());
    assert!(lock.inspect().await.unwrap().is_some());
    guard.release().await.unwrap();
    assert!(lock.forget().await.unwrap());
    CLIENT.ping().await.unwrap();
}

fn contended(name: &str) -> DSpinlock {
    CLIENT.lock(name).sleep(ms(5)).wait(Duration::from_secs(10))
}

/// A blocking call blocks the thread of the executor, and does nothing else to it.
#[test]
fn blocking_calls_work_inside_async_code() {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            blocking_turn("inside");
            let held = contended("inside").acquire_blocking().unwrap();
            assert_eq!(
                contended("inside").wait(ms(20)).acquire().await.unwrap_err().kind(),
                ErrorKind::Contended
            );
            // A blocking call that waits needs nothing of this runtime, either.
            let releasing = thread::spawn(move || {
                thread::sleep(ms(30));
                held.release_blocking().unwrap();
            });
            contended("inside").acquire_blocking().unwrap().release_blocking().unwrap();
            releasing.join().unwrap();
            tokio::task::spawn_blocking(|| blocking_turn("inside")).await.unwrap();
        });
    }
}

#[test]
fn a_task_and_a_thread_wait_for_each_other() {
    let runtime = current_thread();
    let held = block_on(contended("each other").acquire()).unwrap();
    let waiting = thread::spawn(|| contended("each other").acquire_blocking().unwrap());
    runtime.block_on(async {
        let waiter = tokio::spawn(async { contended("each other").acquire().await.unwrap().release().await });
        held.release().await.unwrap();
        let waiting = tokio::task::spawn_blocking(|| waiting.join().unwrap().release_blocking());
        waiter.await.unwrap().unwrap();
        waiting.await.unwrap().unwrap();
    });
}
