//! Values served from this process: until word of a change, or for the given time.

use dspinlock_core::__private::{Call, Json, Mode, Site, Whole, run_cached};
use dspinlock_core::{Client, Config, Wakeup};
use dspinlock_testkit::{Proxy, Server};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// What `#[dspinlock(key = key, namespace = "local", cached(local = …))]` calls.
fn get(client: &Client, key: &str, local: Duration, value: u64) -> u64 {
    static SITE: Site = Site::new("local_copies::get", "local_copies.rs", 1);
    let call = Call::new(&SITE).mode(Mode::Cached).namespace("local").key(key).client(client).local(local);
    let sharing = Whole::<u64, Json>(PhantomData);
    run_cached(call, sharing, |_| value, |_| None, |_| true, |error| panic!("{error}"))
}

fn looks(server: &Server) -> u64 {
    server.command_stats().get("evalsha").copied().unwrap_or(0)
}

#[test]
fn a_local_hit_asks_nobody() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    assert_eq!(get(&client, "k", MINUTE, 1), 1);
    // The one who computed does not know yet; the first hit does.
    assert_eq!(get(&client, "k", MINUTE, 2), 1);
    let before = looks(&server);
    for _ in 0..1_000 {
        assert_eq!(get(&client, "k", MINUTE, 3), 1);
    }
    assert_eq!(looks(&server), before);
}

#[test]
fn a_change_by_another_process_is_heard_of() {
    let server = Server::start();
    let (client, other) =
        (Client::from_url(&server.url()).unwrap(), Client::from_url(&server.url()).unwrap());
    get(&client, "k", MINUTE, 0);
    for round in 0..50_u64 {
        assert_eq!(get(&client, "k", MINUTE, 98), round);
        assert_eq!(get(&client, "k", MINUTE, 99), round, "a hit keeps a copy");
        assert!(other.lock("k").namespace("local").forget_blocking().unwrap());
        // The word is on its way; until it is here the copy may be served.
        while get(&client, "k", MINUTE, round + 1) == round {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_flush_and_a_lost_connection_drop_every_copy() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    for command in [&["FLUSHALL"][..], &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]] {
        get(&client, "k", MINUTE, 1);
        get(&client, "k", MINUTE, 1);
        let before = looks(&server);
        get(&client, "k", MINUTE, 1);
        assert_eq!(looks(&server), before, "no copy was kept");
        server.command(command);
        while looks(&server) == before {
            get(&client, "k", MINUTE, 1);
        }
    }
}

/// Nobody waits here: the copies alone are reason enough to see that the connection lives.
#[test]
fn a_connection_that_dies_in_silence_drops_every_copy() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let (client, other) = (Client::from_url(&proxy.url()).unwrap(), Client::from_url(&server.url()).unwrap());
    get(&client, "k", MINUTE, 1);
    get(&client, "k", MINUTE, 1);
    let before = looks(&server);
    let started = Instant::now();
    while server.command_stats().get("ping").copied().unwrap_or(0) < 2 {
        assert!(started.elapsed() < MINUTE / 3, "nobody asks for a sign of life");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((get(&client, "k", MINUTE, 2), looks(&server)), (1, before), "no copy was kept");
    proxy.silence();
    assert!(other.lock("k").namespace("local").forget_blocking().unwrap());
    let started = Instant::now();
    while get(&client, "k", MINUTE, 2) == 1 {
        assert!(started.elapsed() < MINUTE / 3, "it is served for all of `local`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn without_word_from_the_server_the_given_time_is_the_bound() {
    let server = Server::start();
    let config = Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll);
    let client = Client::from_config(&config).unwrap();
    let brief = Duration::from_millis(50);
    get(&client, "k", brief, 1);
    get(&client, "k", brief, 1);
    let before = looks(&server);
    assert_eq!(get(&client, "k", brief, 2), 1);
    assert_eq!(looks(&server), before, "no copy was kept");
    // The end of a time is no event.
    while looks(&server) == before {
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(get(&client, "k", brief, 2), 1);
    }
}

#[test]
fn a_copy_ends_with_its_record() {
    let server = Server::start();
    // With no word of the expiry, which would end it as well.
    let config = Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll);
    let client = Client::from_config(&config).unwrap();
    get(&client, "k", MINUTE, 1);
    let record = client.lock("k").namespace("local").record_key().unwrap().to_owned();
    server.command(&["PEXPIRE", &record, "300"]);
    get(&client, "k", MINUTE, 1);
    let started = Instant::now();
    while get(&client, "k", MINUTE, 2) == 1 {
        assert!(started.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_copy_ends_with_its_value() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    get(&client, "k", MINUTE, 1);
    get(&client, "k", MINUTE, 1);
    let record = client.lock("k").namespace("local").record_key().unwrap().to_owned();
    server.command(&["DEL", &format!("{{{record}}}:value")]);
    let started = Instant::now();
    while get(&client, "k", MINUTE, 2) == 1 {
        assert!(started.elapsed() < SOON);
        std::thread::yield_now();
    }
}
