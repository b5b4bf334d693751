//! Values never endanger a lock, however large they are and whatever happens to them on the server or the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server, Verdict};
use dspinlock_tests::{Log, eventually, timed};

use crate::support::{AppError, signals};

const MB: usize = 1_000_000;
const S: Duration = Duration::from_secs(1);

#[dspinlock(client = client, key = (name, length), namespace = "beside", cached(codec = dspinlock::MessagePack, schema = "large"), lease = "2s")]
async fn large(client: &Client, name: u32, length: usize, runs: &AtomicU32) -> Result<String, AppError> {
    runs.fetch_add(1, Ordering::SeqCst);
    Ok("x".repeat(length))
}

#[dspinlock(client = client, key = (name, length), namespace = "beside", cached(codec = dspinlock::MessagePack, schema = "large"), lease = "2s")]
fn large_blocking(
    client: &Client,
    name: u32,
    length: usize,
    body: impl FnOnce(),
) -> Result<String, AppError> {
    body();
    Ok("x".repeat(length))
}

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_secs(5);

/// Takes small locks through both APIs, one after the other, and holds one with a short lease meanwhile.
struct SmallLocks {
    over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl SmallLocks {
    fn start(client: &Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (client, end) = (client.clone(), Arc::clone(&over));
        let by = |name: &'static str, one: fn(&Client, String)| {
            let (client, end) = (client.clone(), Arc::clone(&end));
            thread::spawn(move || {
                let held = client.lock(format!("held by {name}")).lease(LEASE).acquire_blocking().unwrap();
                for turn in 0.. {
                    one(&client, format!("{name} {turn}"));
                    assert!(held.is_held(), "lost after {:?}", held.held_for());
                    if end.load(Ordering::SeqCst) {
                        break;
                    }
                }
                held.release_blocking().unwrap();
            })
        };
        let blocking = by("blocking", |client, key| {
            client.lock(key).lease(LEASE).acquire_blocking().unwrap().release_blocking().unwrap();
        });
        let by_async = by("async", |client, key| {
            dspinlock_tests::block_on(async {
                client.lock(key).lease(LEASE).acquire().await.unwrap().release().await.unwrap();
            });
        });
        Self { over, threads: vec![blocking, by_async] }
    }

    /// No lock was refused or lost.
    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a small lock was refused or lost");
        }
    }
}

fn server_and_client() -> (Server, Client) {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_tens_of_megabytes_do_not_delay_small_locks() {
    let (server, client) = server_and_client();
    let locks = SmallLocks::start(&client);
    let runs = Arc::new(AtomicU32::new(0));
    for client in [client.clone(), client.clone(), Client::connect(&server.url()).unwrap()] {
        let calls = [10, 20, 30, 40, 50].map(|length| {
            let (client, runs) = (client.clone(), Arc::clone(&runs));
            tokio::spawn(async move {
                let value = large(&client, 0, length * MB, &runs).await.unwrap();
                assert_eq!(value.len(), length * MB);
            })
        });
        for call in calls {
            call.await.unwrap();
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), 5, "each was stored");
    locks.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_hits_at_once_do_not_delay_small_locks() {
    let (server, client) = server_and_client();
    let runs = Arc::new(AtomicU32::new(0));
    let before = Client::connect(&server.url()).unwrap();
    for name in 0..400 {
        large(&before, name, MB, &runs).await.unwrap();
    }
    let locks = SmallLocks::start(&client);
    for _ in 0..2 {
        let calls: Vec<_> = (0..400)
            .map(|name| {
                let (client, runs) = (client.clone(), Arc::clone(&runs));
                tokio::spawn(async move {
                    assert_eq!(large(&client, name, MB, &runs).await.unwrap().len(), MB);
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), 400, "each was stored");
    locks.end();
}

/// A reply may take longer than `response_timeout` as long as bytes of it arrive.
#[test]
fn a_slow_reply_does_not_count_as_a_silent_server() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = Client::connect(&proxy.url()).unwrap();
    let rate = |rate| [Direction::Requests, Direction::Replies].map(|way| proxy.throttle(way, rate));
    client.ping_blocking().unwrap();
    rate(Some(2_000_000));
    let locks = SmallLocks::start(&client);
    // The upload takes twice the lease.
    let (stored, took) = timed(|| large_blocking(&client, 0, 8 * MB, || ()));
    assert_eq!(stored.unwrap().len(), 8 * MB);
    assert!(took > 2 * S, "the wire was not slow: {took:?}");
    let hit = large_blocking(&client, 0, 8 * MB, || panic!("it was not stored"));
    assert_eq!(hit.unwrap().len(), 8 * MB);
    locks.end();
    rate(None);
}

/// How many bytes the server has received, and sent.
fn traffic(server: &Server) -> [usize; 2] {
    let stats = server.info("stats");
    ["total_net_input_bytes", "total_net_output_bytes"].map(|name| stats[name].parse().unwrap())
}

/// The server refuses the value of a flight. The callers of the flight share it, the lock is free at once, and no other caller
/// is affected.
fn is_shared_and_not_stored(server: &Server, client: &Client, name: u32) {
    let log = Log::of_this_process();
    let (body, test) = signals();
    let before = traffic(server)[0];
    thread::scope(|scope| {
        let leader = scope.spawn(|| large_blocking(client, name, 3 * MB, || body.wait()));
        test.entered();
        let follow = || large_blocking(client, name, 3 * MB, || panic!("the leader's value is for all"));
        let followers: Vec<_> = (0..5).map(|_| scope.spawn(follow)).collect();
        // They are about to join. One that came too late would panic.
        thread::sleep(S / 5);
        let locks = SmallLocks::start(client);
        test.finish();
        for call in followers.into_iter().chain([leader]) {
            assert_eq!(call.join().unwrap().unwrap().len(), 3 * MB);
        }
        locks.end();
    });
    let lock = client.lock((name, 3 * MB)).namespace("beside");
    assert!(lock.inspect_blocking().unwrap().is_none(), "the lock was given back with the call");
    assert!(traffic(server)[0] - before < 2 * 3 * MB, "sent twice at the most");
    let warnings = log.count(&["WARN", &format!("({name}, 3000000)")]);
    assert_eq!(warnings, 1, "{:?}", log.all());
}

#[test]
fn a_value_that_the_server_refuses_affects_its_own_call_only() {
    let server = Server::start_with(&["--proto-max-bulk-len", "1mb"]);
    let client = Client::connect(&server.url()).unwrap();
    is_shared_and_not_stored(&server, &client, 1);
    let left = server.command(&["KEYS", "*:new:*"]);
    assert_eq!(left, dspinlock_testkit::Reply::List(Vec::new()));
}

#[test]
fn a_value_that_breaks_its_connection_affects_its_own_call_only() {
    let server = Server::start();
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), |words| {
        if words[0] == b"SETRANGE" { Verdict::CutReply } else { Verdict::Pass }
    });
    let client = Client::connect(&proxy.url()).unwrap();
    is_shared_and_not_stored(&server, &client, 2);
}

/// Only small replies pass. A value that can't be read is an error for its own callers, and is tried at most twice.
#[test]
fn a_value_that_can_not_be_read_affects_its_own_call_only() {
    let server = Server::start();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |words| {
        if words[0] == b"GETRANGE" && words[2] != b"0" {
            counted.fetch_add(1, Ordering::SeqCst);
            return Verdict::CutReply;
        }
        Verdict::Pass
    });
    let client = Client::connect(&proxy.url()).unwrap();
    large_blocking(&client, 7, 3 * MB, || ()).unwrap();
    let locks = SmallLocks::start(&client);
    for _ in 0..10 {
        let Err(AppError::Lock(error)) = large_blocking(&client, 7, 3 * MB, || panic!("it is stored")) else {
            panic!("it can't be read")
        };
        assert_eq!(error.kind(), dspinlock::ErrorKind::Backend, "{error}");
    }
    locks.end();
    let tries = tries.load(Ordering::SeqCst);
    assert!((10..=20).contains(&tries), "{tries}");
}

#[test]
fn a_server_without_memory_refuses_values_and_keeps_locks() {
    let (server, client) = server_and_client();
    for length in [1_000, 3 * MB] {
        let full = || assert!(server.command(&["CONFIG", "SET", "maxmemory", "1"]).is_ok());
        assert_eq!(large_blocking(&client, 3, length, full).unwrap().len(), length);
        let lock = client.lock((3_u32, length)).namespace("beside");
        assert!(lock.inspect_blocking().unwrap().is_none(), "the lock was given back with the call");
        assert!(server.command(&["CONFIG", "SET", "maxmemory", "0"]).is_ok());
    }
}

/// A foreign string of 300 MB at a lock's keys is reported or is a miss, and is not read.
#[test]
fn a_large_foreign_string_is_not_read() {
    const END: &str = "314572800";
    let (server, client) = server_and_client();
    let name = |name: u32| {
        let lock = client.lock((name, 5_usize)).namespace("beside");
        lock.record_key().unwrap().to_owned()
    };
    // Beside a COMPUTED record, too.
    large_blocking(&Client::connect(&server.url()).unwrap(), 9, 5, || ()).unwrap();
    server.command(&["SETRANGE", &name(4), END, "1"]);
    for beside in [5, 9] {
        let value = format!("{{{}}}:value", name(beside));
        server.command(&["SETRANGE", &value, END, "1"]);
        server.command(&["SETRANGE", &value, "0", "foreign"]);
    }
    let before = traffic(&server)[1];
    let locks = SmallLocks::start(&client);
    for _ in 0..10 {
        let Err(AppError::Lock(error)) = large_blocking(&client, 4, 5, || panic!("the string is foreign"))
        else {
            panic!("a foreign string is no value")
        };
        assert_eq!(error.kind(), dspinlock::ErrorKind::Foreign, "{error}");
        assert!(error.to_string().contains("string of 314572801 bytes"), "{error}");
    }
    for beside in [5, 9] {
        let runs = AtomicU32::new(0);
        let count = || {
            runs.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(large_blocking(&client, beside, 5, count).unwrap(), "xxxxx");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "a miss");
        assert_eq!(large_blocking(&client, beside, 5, || panic!("it was stored")).unwrap(), "xxxxx");
    }
    locks.end();
    let sent = traffic(&server)[1] - before;
    assert!(sent < 20 * MB, "{sent} bytes, with the small locks'");
}

/// A client that has seen a small value reads at once what stands there, however long it is, and replaces it.
#[test]
fn a_large_string_in_place_of_a_small_value_is_read_once() {
    let (server, client) = server_and_client();
    large_blocking(&client, 8, 5, || ()).unwrap();
    let lock = client.lock((8_u32, 5_usize)).namespace("beside");
    let value = format!("{{{}}}:value", lock.record_key().unwrap());
    server.command(&["SETRANGE", &value, "10000000", "1"]);
    server.command(&["SETRANGE", &value, "0", "foreign"]);
    let (before, runs) = (traffic(&server)[1], AtomicU32::new(0));
    let count = || {
        runs.fetch_add(1, Ordering::SeqCst);
    };
    for _ in 0..3 {
        assert_eq!(large_blocking(&client, 8, 5, count).unwrap(), "xxxxx");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1, "a miss");
    let sent = traffic(&server)[1] - before;
    assert!((10 * MB..20 * MB).contains(&sent), "{sent} bytes");
}

#[test]
fn pieces_sent_ahead_are_deleted_when_they_are_not_used() {
    let (server, client) = server_and_client();
    let lock = client.lock((6_u32, 3 * MB)).namespace("beside");
    // Another caller removes the lock while the body runs.
    let lost = large_blocking(&client, 6, 3 * MB, || {
        assert!(lock.forget_blocking().unwrap());
    });
    assert_eq!(lost.unwrap().len(), 3 * MB);
    eventually("nothing is left", || {
        server.command(&["KEYS", "*:new:*"]) == dspinlock_testkit::Reply::List(Vec::new())
    });
    assert!(lock.inspect_blocking().unwrap().is_none());
}
