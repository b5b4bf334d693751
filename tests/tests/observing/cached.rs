//! Cached calls, by where their values came from, on the store in memory.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use dspinlock::{Client, Error, ErrorKind, dspinlock};
use dspinlock_tests::eventually;

use crate::scrape::scrape;

#[derive(Debug)]
struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        assert_eq!(error.kind(), ErrorKind::LeaderFailed);
        Self
    }
}

/// How many calls of this function got their value from there.
#[track_caller]
fn got(function: &str, layer: &str) -> f64 {
    let function = format!("{}::{function}", module_path!());
    scrape().sum("dspinlock_cache_requests_total", &[("function", &function), ("layer", layer)])
}

/// How many calls of this function got a value.
#[track_caller]
fn got_any(function: &str) -> f64 {
    ["local", "remote", "flight", "miss", "stale"].map(|layer| got(function, layer)).iter().sum()
}

#[track_caller]
fn computed(function: &str, outcome: &str) -> f64 {
    let function = format!("{}::{function}", module_path!());
    scrape().times("dspinlock_compute_duration", &[("function", &function), ("outcome", outcome)])
}

#[dspinlock(client = client, key = (), cached)]
fn remote(client: &Client) -> Result<u32, Error> {
    let _ = client;
    Ok(1)
}

#[dspinlock(client = client, key = (), cached)]
async fn remote_async(client: &Client) -> Result<u32, Error> {
    let _ = client;
    Ok(1)
}

#[test]
fn a_value_is_computed_once_and_then_comes_from_the_server() {
    scrape();
    let client = Client::memory();
    for _ in 0..4 {
        remote(&client).unwrap();
        dspinlock_tests::block_on(remote_async(&client)).unwrap();
    }
    for function in ["remote", "remote_async"] {
        assert_eq!((got(function, "miss"), got(function, "remote"), got_any(function)), (1.0, 3.0, 4.0));
        assert_eq!((computed(function, "done"), computed(function, "failed")), (1.0, 0.0));
    }
}

#[dspinlock(client = client, key = (), cached(local = "1h"))]
fn local(client: &Client) -> Result<u32, Error> {
    let _ = client;
    Ok(1)
}

#[test]
fn a_copy_is_a_local_hit() {
    scrape();
    let client = Client::memory();
    for _ in 0..5 {
        local(&client).unwrap();
    }
    assert_eq!((got("local", "miss"), got_any("local")), (1.0, 5.0));
    assert!(got("local", "local") >= 3.0);
}

#[dspinlock(client = client, key = (), cached)]
fn flight(client: &Client, entered: &Sender<()>, finish: &Receiver<()>) -> Result<u32, Error> {
    let _ = client;
    entered.send(()).unwrap();
    finish.recv().unwrap();
    Ok(1)
}

#[test]
fn a_caller_that_gets_the_value_of_another_one_waits_in_its_flight() {
    scrape();
    let client = Client::memory();
    let (entered, is_entered) = channel();
    let (end, finish) = channel();
    let waiting = || {
        let function = concat!(module_path!(), "::flight");
        scrape().sum("dspinlock_waiting", &[("function", function)])
    };
    thread::scope(|scope| {
        // Dropped by a failure, it ends the wait of the body.
        let (client, sender, end) = (&client, entered.clone(), end);
        scope.spawn(move || flight(client, &sender, &finish).unwrap());
        is_entered.recv().unwrap();
        scope.spawn(move || flight(client, &entered, &channel().1).unwrap());
        eventually("the second waits", || waiting() == 1.0);
        end.send(()).unwrap();
    });
    assert_eq!((got("flight", "miss"), got("flight", "flight"), got_any("flight")), (1.0, 1.0, 2.0));
    eventually("nobody waits", || waiting() == 0.0);
}

#[dspinlock(client = client, key = (), cached(stale_if_error = "10m"), expire = "20ms")]
fn stale(client: &Client, fails: bool) -> Result<u32, Failed> {
    let _ = client;
    if fails { Err(Failed) } else { Ok(1) }
}

#[test]
fn a_value_in_place_of_a_failure_is_stale() {
    scrape();
    let client = Client::memory();
    assert_eq!(stale(&client, false).unwrap(), 1);
    eventually("the value has expired", || {
        assert_eq!(stale(&client, true).unwrap(), 1);
        got("stale", "stale") == 1.0
    });
    assert_eq!(
        (got("stale", "miss"), computed("stale", "done"), computed("stale", "failed")),
        (1.0, 1.0, 1.0)
    );
}
