//! Copies of values in this process: kept until a push reports a change, at most for the time of `local`.

use std::thread;
use std::time::Duration;

use dspinlock::{Client, Config, Error, Wakeup, dspinlock};
use dspinlock_testkit::{Proxy, Server};
use dspinlock_tests::{eventually, ms, within};

#[dspinlock(key = n, namespace = "copied", cached(local = "1m"), client = client)]
fn copied(client: &Client, n: u32, value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[dspinlock(key = n, namespace = "copied-for-the-usual-time", cached(local), client = client)]
async fn copied_for_the_usual_time(client: &Client, n: u32, value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[dspinlock(
    key = (),
    namespace = "copied-ahead",
    cached(local = "1m", refresh_ahead = "9m 59s 800ms"),
    expire = "10m",
    client = client,
)]
fn copied_ahead(client: &Client, value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[dspinlock(key = n, namespace = "copied-briefly", cached(local = "50ms"), client = client)]
fn copied_briefly(client: &Client, n: u32, value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[dspinlock(key = (), namespace = "copied-of-short-life", cached(local = "1m"), expire = "500ms", client = client)]
fn copied_of_short_life(client: &Client, value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[dspinlock(key = (), namespace = "copied-large", cached(local = "1m"), client = client)]
fn copied_large(client: &Client, value: u32) -> Result<String, Error> {
    Ok(value.to_string().repeat(1_500_000))
}

/// A client that hears of no change.
fn polling_client(server: &Server) -> Client {
    Client::from_config(&Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll)).unwrap()
}

/// How often the server was asked, for a lock or for a value.
fn asked(server: &Server) -> u64 {
    ["evalsha", "mget", "getrange"].map(|command| server.calls(command)).into_iter().sum()
}

fn record_key(client: &Client) -> String {
    client.lock(7).namespace("copied").record_key().unwrap().to_owned()
}

#[test]
fn a_hit_on_a_copy_asks_nobody_until_a_change_is_pushed() {
    let server = Server::start();
    let (client, other) = (Client::connect(&server.url()).unwrap(), Client::connect(&server.url()).unwrap());
    copied(&client, 7, 0).unwrap();
    for round in 0..50 {
        let before = keep_a_copy_of(round, &server, &client);
        for _ in 0..20 {
            assert_eq!(copied(&client, 7, 99).unwrap(), round);
        }
        assert_eq!(asked(&server), before);
        assert!(other.lock(7).namespace("copied").forget_blocking().unwrap());
        // Until the push is here the copy may be served.
        while copied(&client, 7, round + 1).unwrap() == round {
            thread::yield_now();
        }
    }
}

#[test]
fn a_flush_and_a_lost_connection_drop_every_copy() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    for command in ["FLUSHALL", "CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL ID of the hits"] {
        let before = keep_a_copy(&server, &client);
        let mut words: Vec<_> = command.split(' ').map(ToOwned::to_owned).collect();
        if command.ends_with("hits") {
            words.splice(3.., [connection_of_hits(&server)]);
        }
        server.command(&words);
        eventually(command, || {
            copied(&client, 7, 1).unwrap();
            asked(&server) > before
        });
    }
}

/// The id of the connection over which a copy was read, and its change is pushed.
fn connection_of_hits(server: &Server) -> String {
    let list = server.command(&["CLIENT", "LIST"]);
    let is_it = |client: &&str| client.contains(" flags=t ") && client.contains(" cmd=mget ");
    let client = list.text().unwrap().lines().find(is_it).expect("a tracked read");
    client.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap().to_owned()
}

/// Has the client keep a copy of 1, and returns how often the server was asked so far.
fn keep_a_copy(server: &Server, client: &Client) -> u64 {
    copied(client, 7, 1).unwrap();
    keep_a_copy_of(1, server, client)
}

/// The same for a value that is there. The caller that computed has no copy yet, and the push of its own change may overtake
/// the first hit.
fn keep_a_copy_of(value: u32, server: &Server, client: &Client) -> u64 {
    eventually("a copy", || {
        let before = asked(server);
        assert_eq!(copied(client, 7, 98).unwrap(), value);
        asked(server) == before
    });
    asked(server)
}

/// Nobody waits for a lock here: copies are reason enough to check that the connection is alive.
#[test]
fn a_silent_connection_drops_every_copy() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let (client, other) = (Client::connect(&proxy.url()).unwrap(), Client::connect(&server.url()).unwrap());
    let before = keep_a_copy(&server, &client);
    within(Duration::from_secs(20), "a ping over each connection that listens", || {
        let list = server.command(&["CLIENT", "LIST"]);
        let listening = list.text().unwrap().lines().filter(|client| client.contains(" flags=t "));
        let pinged = listening.map(|client| client.contains(" cmd=ping ")).collect::<Vec<_>>();
        pinged == [true, true]
    });
    assert_eq!((copied(&client, 7, 2).unwrap(), asked(&server)), (1, before), "the copy was dropped");
    proxy.silence();
    assert!(other.lock(7).namespace("copied").forget_blocking().unwrap());
    within(Duration::from_secs(20), "the copy is dropped", || copied(&client, 7, 2).unwrap() == 2);
}

#[test]
fn without_pushes_the_time_of_local_is_the_bound() {
    let server = Server::start();
    let client = polling_client(&server);
    copied_briefly(&client, 7, 1).unwrap();
    // A slow machine may take longer than a copy lives between two calls.
    eventually("a copy", || {
        copied_briefly(&client, 7, 2).unwrap();
        let before = asked(&server);
        assert_eq!(copied_briefly(&client, 7, 2).unwrap(), 1);
        asked(&server) == before
    });
    let before = asked(&server);
    eventually("the server is asked again", || {
        assert_eq!(copied_briefly(&client, 7, 2).unwrap(), 1);
        asked(&server) > before
    });
}

/// The value says itself until when its record lives.
#[test]
fn a_copy_ends_with_its_record() {
    let server = Server::start();
    // No push of the expiry, which would end it as well.
    let client = polling_client(&server);
    copied_of_short_life(&client, 1).unwrap();
    copied_of_short_life(&client, 1).unwrap();
    eventually("the copy ends", || copied_of_short_life(&client, 2).unwrap() == 2);
}

/// A hit is one command that the server tracks, over a connection of its own.
#[test]
fn a_hit_that_keeps_a_copy_is_one_plain_read() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    keep_a_copy(&server, &client);
    let record = record_key(&client);
    for _ in 0..20 {
        let calls = || ["mget", "client|caching", "evalsha", "getrange"].map(|command| server.calls(command));
        let [reads, tracked, scripts, parts] = calls();
        // Neither changes the value. The push drops the copy.
        server.command(&["PERSIST", &record]);
        eventually("the push", || {
            assert_eq!(copied(&client, 7, 99).unwrap(), 1);
            server.calls("mget") > reads
        });
        assert_eq!(calls(), [reads + 1, tracked + 1, scripts, parts]);
        server.command(&["PEXPIRE", &record, "600000"]);
        eventually("the push", || {
            assert_eq!(copied(&client, 7, 99).unwrap(), 1);
            server.calls("mget") > reads + 1
        });
    }
}

/// A value that is read in pieces is tracked as well.
#[test]
fn a_copy_of_a_large_value_ends_with_its_record_and_its_value() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    for part in ["record", "value"] {
        copied_large(&client, 1).unwrap();
        let record = client.lock(()).namespace("copied-large").record_key().unwrap().to_owned();
        eventually("a copy", || {
            copied_large(&client, 2).unwrap();
            let before = asked(&server);
            copied_large(&client, 2).unwrap();
            asked(&server) == before
        });
        let key = if part == "record" { record.clone() } else { format!("{{{record}}}:value") };
        server.command(&["DEL", &key]);
        eventually(part, || copied_large(&client, 2).unwrap().starts_with('2'));
        client.lock(()).namespace("copied-large").forget_blocking().unwrap();
    }
}

#[test]
fn a_copy_ends_with_its_value() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    keep_a_copy(&server, &client);
    server.command(&["DEL", &format!("{{{}}}:value", record_key(&client))]);
    eventually("the copy ends", || copied(&client, 7, 2).unwrap() == 2);
}

#[tokio::test]
async fn a_copy_is_kept_by_async_callers_too() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    assert_eq!(copied_for_the_usual_time(&client, 7, 1).await.unwrap(), 1);
    assert_eq!(copied_for_the_usual_time(&client, 7, 2).await.unwrap(), 1);
    let before = asked(&server);
    assert_eq!(copied_for_the_usual_time(&client, 7, 2).await.unwrap(), 1);
    assert_eq!(asked(&server), before);
}

#[test]
fn a_forgotten_value_is_not_served_from_a_copy() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    copied(&client, 7, 0).unwrap();
    for round in 0..50 {
        assert_eq!(copied(&client, 7, 98).unwrap(), round);
        assert_eq!(copied(&client, 7, 99).unwrap(), round, "there is a copy");
        assert!(client.lock(7).namespace("copied").forget_blocking().unwrap());
        assert_eq!(copied(&client, 7, round + 1).unwrap(), round + 1);
    }
}

#[test]
fn a_copy_does_not_keep_its_value_from_being_computed_ahead() {
    let client = Client::memory();
    copied_ahead(&client, 1).unwrap();
    // A hit, which makes a copy.
    copied_ahead(&client, 2).unwrap();
    thread::sleep(ms(250));
    assert_eq!(copied_ahead(&client, 3).unwrap(), 3);
}

#[dspinlock(key = key, cached(local = "1m"), client = client)]
fn named_by<T>(client: &Client, key: (u32, u32), value: &str) -> Result<String, Error> {
    Ok(format!("{} {} {value}", std::any::type_name::<T>(), key.0))
}

/// Another instance of the function, another key and another prefix of the client have copies of their own.
#[test]
fn a_copy_is_served_for_its_own_call_alone() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    let staging = client.clone().with_prefix("staging");
    for _ in 0..3 {
        assert_eq!(named_by::<u8>(&client, (1, 2), "live").unwrap(), "u8 1 live");
        assert_eq!(named_by::<u16>(&client, (1, 2), "live").unwrap(), "u16 1 live");
        assert_eq!(named_by::<u8>(&client, (2, 1), "live").unwrap(), "u8 2 live");
        assert_eq!(named_by::<u8>(&staging, (1, 2), "staged").unwrap(), "u8 1 staged");
    }
    let before = asked(&server);
    assert_eq!(named_by::<u8>(&client, (1, 2), "later").unwrap(), "u8 1 live");
    assert_eq!(named_by::<u8>(&staging, (1, 2), "later").unwrap(), "u8 1 staged");
    assert_eq!(asked(&server), before, "copies are served without asking");
}
