//! The local queue: many callers of one process at one key.

use dspinlock::{Client, DSpinlock, Guard, State};
use dspinlock_testkit::Server;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// How long a process that has had a turn leaves the lock to others.
const STAND_BACK: Duration = Duration::from_millis(2);

/// What the lock protects. It notices two visitors at once, and a fencing token that does not rise.
#[derive(Default)]
struct Resource {
    taken: AtomicBool,
    last: AtomicU64,
    turns: Mutex<Vec<usize>>,
}

impl Resource {
    fn visit(&self, guard: &Guard, caller: usize) {
        assert!(!self.taken.swap(true, Ordering::SeqCst), "two at once");
        let token = guard.fencing_token();
        assert!(self.last.swap(token, Ordering::SeqCst) < token, "the fencing token did not rise");
        assert!(guard.is_held());
        self.turns.lock().unwrap().push(caller);
        assert!(self.taken.swap(false, Ordering::SeqCst));
    }
}

fn lock(client: &Client, namespace: &str) -> DSpinlock {
    client.lock("example").namespace(namespace).expire(None).wait(MINUTE).lease(MINUTE)
}

#[test]
fn threads_and_tasks_together_take_turns_and_tokens_rise() {
    let server = Server::start();
    for client in [Client::memory(), Client::from_url(&server.url()).unwrap()] {
        let resource = Arc::new(Resource::default());
        let before = server.calls("evalsha");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|caller| {
                let (client, resource) = (client.clone(), resource.clone());
                runtime.spawn(async move {
                    for _ in 0..50 {
                        let guard = lock(&client, "turns").acquire().await.unwrap();
                        resource.visit(&guard, caller);
                        guard.release().await.unwrap();
                    }
                })
            })
            .collect();
        thread::scope(|threads| {
            for caller in 16..24 {
                let (client, resource) = (&client, &resource);
                threads.spawn(move || {
                    for turn in 0..50 {
                        let guard = lock(client, "turns").acquire_blocking().unwrap();
                        resource.visit(&guard, caller);
                        // Half of the turns end with a release, half with a drop.
                        if turn % 2 == 1 { guard.release_blocking().unwrap() } else { drop(guard) }
                    }
                });
            }
        });
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        let turns = resource.turns.lock().unwrap();
        assert_eq!(turns.len(), 24 * 50);
        if !client.is_memory() {
            let commands = server.calls("evalsha") - before;
            assert!(
                commands < 24 * 50,
                "{commands} commands for {} turns: no turn was handed on in the process",
                turns.len()
            );
            assert_eq!(lock(&client, "turns").inspect_blocking().unwrap(), None, "the key was left behind");
        }
    }
}

#[test]
fn two_processes_share_a_key_and_neither_starves() {
    let server = Server::start();
    let clients = [Client::from_url(&server.url()).unwrap(), Client::from_url(&server.url()).unwrap()];
    let resource = Resource::default();
    let until = Instant::now() + Duration::from_secs(1);
    thread::scope(|threads| {
        for (process, client) in clients.iter().enumerate() {
            for _ in 0..4 {
                let resource = &resource;
                threads.spawn(move || {
                    while Instant::now() < until {
                        let guard = lock(client, "share").acquire_blocking().unwrap();
                        resource.visit(&guard, process);
                        guard.release_blocking().unwrap();
                    }
                });
            }
        }
    });
    let turns = resource.turns.lock().unwrap();
    let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes >= 4, "{changes} changes of process in {} turns", turns.len());
}

/// Each process has two callers: behind the one that releases there is always another, and the other process waits.
#[test]
fn a_process_leaves_the_turn_after_its_own_to_others() {
    const TURNS: usize = 40;
    let server = Server::start();
    let clients = [Client::from_url(&server.url()).unwrap(), Client::from_url(&server.url()).unwrap()];
    let resource = Resource::default();
    thread::scope(|threads| {
        for (process, client) in clients.iter().enumerate().chain(clients.iter().enumerate()) {
            let resource = &resource;
            threads.spawn(move || {
                while resource.turns.lock().unwrap().len() < TURNS {
                    let guard = lock(client, "in turn").acquire_blocking().unwrap();
                    resource.visit(&guard, process);
                    // Longer than the time for hand-offs in the process, and so long that the other process has come meanwhile.
                    thread::sleep(Duration::from_millis(44));
                    guard.release_blocking().unwrap();
                }
            });
        }
    });
    let turns = resource.turns.lock().unwrap();
    let stayed = turns.windows(2).filter(|pair| pair[0] == pair[1]).count();
    // By chance it would be half of them. On a busy machine the other process may wake up too late.
    assert!(stayed < TURNS / 2, "{stayed} of {} turns stayed in the same process", turns.len());
}

#[test]
fn a_caller_that_finds_the_line_empty_leaves_the_lock_to_others_too() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let lock = || lock(&client, "empty");
    let waited_for = format!("{{{}}}:wait", lock().record_key().unwrap());
    let mut took = Vec::new();
    for _ in 0..5 {
        let guard = lock().acquire_blocking().unwrap();
        server.command(&["SADD", &waited_for, "a process that never comes"]);
        let since = Instant::now();
        guard.release_blocking().unwrap();
        lock().acquire_blocking().unwrap().release_blocking().unwrap();
        took.push(since.elapsed());
    }
    assert!(took.iter().all(|took| *took >= STAND_BACK), "{took:?}");
}

#[test]
fn a_bare_key_goes_through_the_server_each_time() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let bare = || client.lock("example").expire(None).wait(MINUTE);
    bare().acquire_blocking().unwrap().release_blocking().unwrap();
    let before = server.calls("evalsha");
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..25 {
                    bare().acquire_blocking().unwrap().release_blocking().unwrap();
                }
            });
        }
    });
    assert!(server.calls("evalsha") - before >= 200, "{}", server.calls("evalsha") - before);
}

#[test]
fn callers_that_leave_the_line_anywhere_lose_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let resource = Arc::new(Resource::default());
    let tasks: Vec<_> = (0..400)
        .map(|caller| {
            let (client, resource) = (client.clone(), resource.clone());
            let patience = Duration::from_micros(random.u64(0..20_000));
            runtime.spawn(async move {
                let turn = async {
                    let guard = lock(&client, "leaving").acquire().await.unwrap();
                    resource.visit(&guard, caller);
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    guard.release().await.unwrap();
                };
                // Some are done by then, some hold the lock, most wait in the line.
                let _ = tokio::time::timeout(patience, turn).await;
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    // Nothing is left behind: the next caller gets the lock long before any lease ends.
    let started = Instant::now();
    let guard = lock(&client, "leaving").acquire_blocking().unwrap();
    resource.visit(&guard, 400);
    guard.release_blocking().unwrap();
    assert!(started.elapsed() < MINUTE / 2, "{:?}", started.elapsed());
}

#[test]
fn the_last_caller_of_a_line_marks_the_key_computed() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let lock = || client.lock("example").namespace("done").wait(MINUTE);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..10 {
                    lock().acquire_blocking().unwrap().release_blocking().unwrap();
                }
            });
        }
    });
    assert_eq!(lock().inspect_blocking().unwrap().unwrap().state(), State::Computed);
}

#[test]
fn a_line_behind_a_lock_that_was_lost_moves_on() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let lock = || client.lock("example").namespace("lost").lease(Duration::from_millis(300)).wait(MINUTE);
    let held = lock().acquire_blocking().unwrap();
    thread::scope(|threads| {
        let waiters: Vec<_> = (0..3).map(|_| threads.spawn(|| lock().acquire_blocking().map(drop))).collect();
        server.command(&["DEL", held.record_key()]);
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    });
    assert!(held.release_blocking().is_err());
}
