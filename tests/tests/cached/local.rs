//! Copies in this process.

use dspinlock::{Client, Error, dspinlock};
use dspinlock_testkit::Server;

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

fn looks(server: &Server) -> u64 {
    server.command_stats().get("evalsha").copied().unwrap_or(0)
}

#[test]
fn a_hit_asks_nobody_until_word_of_a_change_comes() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    assert_eq!(copied(&client, 7, 1).unwrap(), 1);
    assert_eq!(copied(&client, 7, 2).unwrap(), 1);
    let before = looks(&server);
    for _ in 0..100 {
        assert_eq!(copied(&client, 7, 2).unwrap(), 1);
    }
    assert_eq!(looks(&server), before);

    let other = Client::from_url(&server.url()).unwrap();
    assert!(other.lock(7).namespace("copied").forget_blocking().unwrap());
    // The word is on its way; until it is here the copy may be served.
    while copied(&client, 7, 2).unwrap() == 1 {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_copy_is_kept_by_async_callers_too() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    assert_eq!(copied_for_the_usual_time(&client, 7, 1).await.unwrap(), 1);
    assert_eq!(copied_for_the_usual_time(&client, 7, 2).await.unwrap(), 1);
    let before = looks(&server);
    assert_eq!(copied_for_the_usual_time(&client, 7, 2).await.unwrap(), 1);
    assert_eq!(looks(&server), before);
}

#[test]
fn what_is_forgotten_here_is_not_served_here_any_more() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
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
    // A hit, which is kept.
    copied_ahead(&client, 2).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(250));
    assert_eq!(copied_ahead(&client, 3).unwrap(), 3);
}

#[dspinlock(key = key, cached(local = "1m"), client = client)]
fn named_by<T>(client: &Client, key: (u32, u32), value: &str) -> Result<String, Error> {
    Ok(format!("{} {} {value}", std::any::type_name::<T>(), key.0))
}

/// What a call has come to is remembered for that call alone: not for another instance, key, or prefix of one client.
#[test]
fn a_copy_is_served_for_its_own_call_alone() {
    let server = Server::start();
    let client = Client::from_url(&server.url()).unwrap();
    let staging = client.clone().with_prefix("staging");
    for _ in 0..3 {
        assert_eq!(named_by::<u8>(&client, (1, 2), "live").unwrap(), "u8 1 live");
        assert_eq!(named_by::<u16>(&client, (1, 2), "live").unwrap(), "u16 1 live");
        assert_eq!(named_by::<u8>(&client, (2, 1), "live").unwrap(), "u8 2 live");
        assert_eq!(named_by::<u8>(&staging, (1, 2), "staged").unwrap(), "u8 1 staged");
    }
    let before = looks(&server);
    assert_eq!(named_by::<u8>(&client, (1, 2), "anew").unwrap(), "u8 1 live");
    assert_eq!(named_by::<u8>(&staging, (1, 2), "anew").unwrap(), "u8 1 staged");
    assert_eq!(looks(&server), before, "and without asking");
}
