//! What ends a waiter's sleep: a push from the server, a timer, and the poll where there are no pushes.
//!
//! By themselves the waiters sleep for a minute, far longer than any of these tests may take.

use dspinlock::{Client, Config, Guard, Wakeup};
use dspinlock_testkit::{Proxy, Server};
use dspinlock_tests::{block_on, eventually};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Only a test that hangs takes so long.
const SOON: Duration = Duration::from_secs(30);

fn client(server: &Server) -> Client {
    Client::connect(&server.url()).unwrap()
}

fn hold(client: &Client) -> Guard {
    client.lock("example").lease(MINUTE).acquire_blocking().unwrap()
}

/// Starts a waiter, and returns once the server tracks the key for it. A message in the channel says that it got the lock.
fn waiter(server: &Server, client: &Client, by_async: bool) -> mpsc::Receiver<()> {
    let (send, receive) = mpsc::channel();
    // From then on it knows the server's time, and each attempt is one script.
    client.lock("another").acquire_blocking().unwrap().release_blocking().unwrap();
    let lock = client.lock("example").sleep(MINUTE).wait(MINUTE).lease(MINUTE);
    let before = looks(server);
    thread::spawn(move || {
        let guard = if by_async { block_on(lock.acquire()) } else { lock.acquire_blocking() };
        guard.unwrap().release_blocking().unwrap();
        send.send(()).unwrap();
    });
    eventually("a second attempt of the waiter", || looks(server) >= before + 2);
    receive
}

/// How often a script has read or written the key.
fn looks(server: &Server) -> u64 {
    server.calls("evalsha") + server.calls("eval")
}

fn record(client: &Client) -> String {
    client.lock("example").record_key().unwrap().to_owned()
}

#[test]
fn a_release_by_another_process_wakes_at_once_without_polling() {
    for by_async in [false, true] {
        let server = Server::start();
        let (holder, waiting) = (client(&server), client(&server));
        // From now on the server knows the scripts, and each attempt is one command.
        hold(&holder).release_blocking().unwrap();
        let guard = hold(&holder);
        let got_it = waiter(&server, &waiting, by_async);
        let before = looks(&server);
        guard.release_blocking().unwrap();
        got_it.recv_timeout(SOON).unwrap();
        // The release, the waiter's third attempt, which is granted, and its own release.
        assert_eq!(looks(&server) - before, 3);
    }
}

#[test]
fn a_release_within_one_client_wakes_too() {
    let server = Server::start();
    let client = client(&server);
    let guard = hold(&client);
    let got_it = waiter(&server, &client, true);
    guard.release_blocking().unwrap();
    got_it.recv_timeout(SOON).unwrap();
}

#[test]
fn a_release_within_one_client_wakes_a_waiter_that_polls() {
    for by_async in [false, true] {
        let server = Server::start();
        let config = Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll);
        let client = Client::from_config(&config).unwrap();
        // From now on the server knows the scripts, and each attempt is one command.
        hold(&client).release_blocking().unwrap();
        let guard = hold(&client);
        let got_it = waiter(&server, &client, by_async);
        guard.release_blocking().unwrap();
        got_it.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn the_embedded_store_wakes_too() {
    let client = Client::memory();
    let guard = hold(&client);
    let lock = client.lock("example").sleep(MINUTE).wait(MINUTE);
    let waiting = thread::spawn(move || lock.acquire_blocking().map(drop));
    guard.release_blocking().unwrap();
    waiting.join().unwrap().unwrap();
}

#[test]
fn a_change_by_hand_wakes() {
    for command in [&["DEL", "the record"][..], &["FLUSHALL"], &["PEXPIRE", "the record", "20"]] {
        let server = Server::start();
        let (holder, waiting) = (client(&server), client(&server));
        let guard = hold(&holder);
        let got_it = waiter(&server, &waiting, true);
        let record = record(&holder);
        let words: Vec<&str> =
            command.iter().map(|word| if *word == "the record" { &record } else { *word }).collect();
        server.command(&words);
        got_it.recv_timeout(SOON).unwrap();
        drop(guard);
    }
}

#[test]
fn a_lost_connection_wakes_everybody() {
    let server = Server::start();
    let (holder, waiting) = (client(&server), client(&server));
    let guard = hold(&holder);
    let got_it = waiter(&server, &waiting, true);
    let before = looks(&server);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    eventually("another attempt of the waiter", || looks(&server) > before);
    guard.release_blocking().unwrap();
    got_it.recv_timeout(SOON).unwrap();
}

/// Both ends take it for alive: no reset says that no push will come.
#[test]
fn a_silent_connection_is_noticed_while_a_caller_waits() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    // Valkey 9.1 counts some of its own.
    let at_first = server.calls("config|get");
    let config = Config::from_url(&proxy.url()).unwrap().with_response_timeout(Duration::from_millis(500));
    let (holder, waiting) = (client(&server), Client::from_config(&config).unwrap());
    let guard = hold(&holder);
    let got_it = waiter(&server, &waiting, true);
    // Both clients have read the settings of the server, and nothing is on its way any more.
    eventually("both have read the settings", || server.calls("config|get") >= at_first + 2);
    waiting.ping_blocking().unwrap();
    proxy.silence();
    guard.release_blocking().unwrap();
    // The client pings every five seconds.
    got_it.recv_timeout(SOON).unwrap();
}

#[test]
fn a_waiter_succeeds_a_crashed_holder_without_a_push() {
    let server = Server::start();
    // With so many volatile keys the server takes minutes to announce this expiry.
    let script = "for i = 1, 100000 do redis.call('SET', 'other' .. i, 1, 'EX', 3600) end";
    server.command(&["EVAL", script, "0"]);
    let (holder, waiting) = (client(&server), client(&server));
    // A killed holder leaves a record that nobody renews.
    let record = record(&holder);
    let left = "0b8e@gone/1,2026-01-31T23:59:59.000123+00:00,0";
    let started = Instant::now();
    server.command(&["SET", &record, left, "PX", "300"]);
    let got_it = waiter(&server, &waiting, true);
    got_it.recv_timeout(SOON).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(250), "taken before the lease was over");
}

#[test]
fn waiters_poll_where_tracking_is_forbidden_or_switched_off() {
    let all = Server::start();
    // A server before 7.0 can allow a single subcommand, and can't forbid one.
    let plain = ["ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-client"];
    let only = |command| {
        let server = Server::start();
        let set = server.command(&[&plain[..], &[command]].concat());
        assert!(set.is_ok(), "{set:?}");
        server
    };
    // No ACL can refuse `HELLO`; an older server does.
    let older = Server::start_with(&["--rename-command", "HELLO", ""]);
    let user = |server: &Server| {
        Config::new().with_port(server.port()).with_username("plain").with_password("secret")
    };
    let (no_tracking, no_caching) = (only("+client|caching"), only("+client|tracking"));
    for (server, config) in [
        (&no_tracking, user(&no_tracking)),
        (&no_caching, user(&no_caching)),
        (&older, Config::new().with_port(older.port())),
        (&all, Config::new().with_port(all.port()).with_wakeup(Wakeup::Poll)),
    ] {
        let waiting = Client::from_config(&config).unwrap();
        let holder = client(server);
        let guard = hold(&holder);
        let lock = waiting.lock("example").sleep(Duration::from_millis(5)).wait(MINUTE);
        let waiter = thread::spawn(move || lock.acquire_blocking().map(drop));
        let before = looks(server);
        eventually("the waiter polls", || looks(server) >= before + 5);
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    }
}
