//! What ends a waiter's sleep: word from the server, a timer, and where there is no word, the poll.
//!
//! The waiters here would sleep for a minute by themselves, far longer than any of these tests may take.

use dspinlock_core::{Client, Config, Guard, Wakeup};
use dspinlock_testkit::{Proxy, Server};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Only what hangs takes so long.
const SOON: Duration = Duration::from_secs(30);

fn client(server: &Server) -> Client {
    Client::from_url(&server.url()).unwrap()
}

fn hold(client: &Client) -> Guard {
    client.lock("example").lease(MINUTE).acquire_blocking().unwrap()
}

/// Starts a waiter and returns when it stands in line and the server has it on its list; then the channel tells when it has the lock.
fn waiter(server: &Server, client: &Client, by_async: bool) -> mpsc::Receiver<()> {
    let (send, receive) = mpsc::channel();
    let lock = client.lock("example").sleep(MINUTE).wait(MINUTE).lease(MINUTE);
    let before = looks(server);
    thread::spawn(move || {
        let guard = if by_async {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(lock.acquire())
        } else {
            lock.acquire_blocking()
        };
        guard.unwrap().release_blocking().unwrap();
        send.send(()).unwrap();
    });
    until("the waiter has looked a second time", || looks(server) >= before + 2);
    receive
}

/// Waits for what announces itself to nobody.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < SOON, "not so: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often a script has looked at the key.
fn looks(server: &Server) -> u64 {
    let stats = server.command_stats();
    stats.get("evalsha").copied().unwrap_or(0) + stats.get("eval").copied().unwrap_or(0)
}

fn record(client: &Client) -> String {
    client.lock("example").record_key().unwrap().to_owned()
}

#[test]
fn a_release_by_another_process_wakes_at_once_and_nobody_polls() {
    for by_async in [false, true] {
        let server = Server::start();
        let (holder, waiting) = (client(&server), client(&server));
        // The server then knows the scripts, and each look is one command.
        hold(&holder).release_blocking().unwrap();
        let guard = hold(&holder);
        let got_it = waiter(&server, &waiting, by_async);
        let before = looks(&server);
        guard.release_blocking().unwrap();
        got_it.recv_timeout(SOON).unwrap();
        // The release, the waiter's third look, which is a grant, and its own release.
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
fn a_release_within_one_client_wakes_who_hears_of_nothing_else() {
    for by_async in [false, true] {
        let server = Server::start();
        let config = Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll);
        let client = Client::from_config(&config).unwrap();
        // The server then knows the scripts, and each look is one command.
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
fn what_an_administrator_does_wakes() {
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
fn a_lost_connection_has_everybody_look_again() {
    let server = Server::start();
    let (holder, waiting) = (client(&server), client(&server));
    let guard = hold(&holder);
    let got_it = waiter(&server, &waiting, true);
    let before = looks(&server);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    until("the waiter has looked again", || looks(&server) > before);
    guard.release_blocking().unwrap();
    got_it.recv_timeout(SOON).unwrap();
}

/// It looks alive to both of its ends: no reset says that the server's word will not come.
#[test]
fn a_connection_that_has_gone_silent_is_noticed_while_somebody_waits() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let config = Config::from_url(&proxy.url()).unwrap().with_response_timeout(Duration::from_millis(500));
    let (holder, waiting) = (client(&server), Client::from_config(&config).unwrap());
    let guard = hold(&holder);
    let got_it = waiter(&server, &waiting, true);
    // Both clients have looked what is wrong with the server, and nothing is on its way any more.
    until("both have looked", || server.command_stats().get("config|get").is_some_and(|calls| *calls >= 2));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(waiting.ping()).unwrap();
    proxy.silence();
    guard.release_blocking().unwrap();
    // A sign of life is asked for every five seconds.
    got_it.recv_timeout(SOON).unwrap();
}

#[test]
fn a_crashed_holder_is_succeeded_though_no_expiry_is_announced() {
    let server = Server::start();
    // With so many other volatile keys, the server does not come round to announcing this expiry for minutes.
    let script = "for i = 1, 100000 do redis.call('SET', 'other' .. i, 1, 'EX', 3600) end";
    server.command(&["EVAL", script, "0"]);
    let (holder, waiting) = (client(&server), client(&server));
    // What a holder leaves that was killed: a record that nobody renews.
    let record = record(&holder);
    let left = "0b8e@gone/1,2026-01-31T23:59:59.000123+00:00,0";
    let started = Instant::now();
    server.command(&["SET", &record, left, "PX", "300"]);
    let got_it = waiter(&server, &waiting, true);
    got_it.recv_timeout(SOON).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(250), "taken before the lease was over");
}

#[test]
fn where_tracking_is_forbidden_or_not_wanted_waiters_poll() {
    let all = Server::start();
    let plain = ["ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all"];
    let without = |command| {
        let server = Server::start();
        server.command(&[&plain[..], &[command]].concat());
        server
    };
    // No ACL can refuse `HELLO`; an older server does.
    let older = Server::start_with(&["--rename-command", "HELLO", ""]);
    let user = |server: &Server| {
        Config::new().with_port(server.port()).with_username("plain").with_password("secret")
    };
    let (no_tracking, no_caching) = (without("-client|tracking"), without("-client|caching"));
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
        until("the waiter polls", || looks(server) >= before + 5);
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    }
}
