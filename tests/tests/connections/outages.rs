//! A server that is out of reach: callers get an error at once, a probe finds out when it is back, and a function with
//! `on_outage = "run_unlocked"` runs.

use dspinlock::{Client, Config, Error, ErrorKind, OnOutage, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{Api, Log, Rig, block_on, eventually, ms, timed};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LIMIT: Duration = ms(500);

/// A server behind a proxy that can fall silent, and a client with short time limits.
fn behind_a_wire() -> (Server, Proxy, Client) {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let config =
        Config::from_url(&proxy.url()).unwrap().with_connect_timeout(LIMIT).with_response_timeout(LIMIT);
    let client = Client::from_config(&config).unwrap();
    client.ping_blocking().unwrap();
    (server, proxy, client)
}

fn silence(proxy: &Proxy, on: bool) {
    proxy.blackhole(Direction::Requests, on);
    proxy.blackhole(Direction::Replies, on);
}

/// Calls until the circuit is open.
fn open_the_circuit(client: &Client) {
    eventually("the circuit opens", || {
        let refused = client.lock("opens").acquire_blocking().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend);
        refused.to_string().contains("circuit open; probing")
    });
}

#[test]
fn while_the_server_is_out_of_reach_callers_get_an_error_at_once() {
    let (server, proxy, client) = behind_a_wire();
    let guard = client.lock("held").lease(Duration::from_secs(60)).acquire_blocking().unwrap();
    silence(&proxy, true);
    open_the_circuit(&client);
    let stats = || server.calls("evalsha");
    let before = stats();
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        let lock = rig.lock("told");
        let (refused, took) = timed(|| (0..50).map(|_| rig.acquire(&lock).unwrap_err()).last().unwrap());
        assert_eq!(
            (refused.kind(), refused.key()),
            (ErrorKind::Backend, Some(&*format!("{:?}", rig.key("told"))))
        );
        assert!(refused.to_string().contains("no reply in time"), "what happened last: {refused}");
        assert!(took < LIMIT * 25, "fifty calls took {took:?}, and each would have waited for a reply");
        assert_eq!(rig.inspect(&lock).unwrap_err().kind(), ErrorKind::Backend);
        assert_eq!(
            rig.ping().unwrap_err().kind(),
            ErrorKind::Backend,
            "a probe of readiness asks the server itself"
        );
    }
    silence(&proxy, false);
    eventually("a probe finds it", || client.lock("back").acquire_blocking().is_ok());
    assert!(stats() > before);
    // A lock that was held meanwhile is released as usual.
    guard.release_blocking().unwrap();
}

/// Somebody who reads the log sees which server and which lock, that it passed, and how long it took.
#[test]
fn the_log_has_an_outage_from_its_beginning_to_its_end() {
    let log = Log::of_this_process();
    let (_server, proxy, client) = behind_a_wire();
    let port = format!(":{}/0", proxy.address().port());
    let guard =
        client.lock("logged from the beginning").lease(Duration::from_secs(6)).acquire_blocking().unwrap();
    silence(&proxy, true);
    open_the_circuit(&client);
    log.wait_for(&[
        "WARN",
        "the server is out of reach",
        "server=\"redis at",
        &port,
        "(from `Config::from_url`)",
    ]);
    log.wait_for(&["WARN", "could not renew", "keys=\"logged from the beginning\"", "locks=1", "rest="]);
    silence(&proxy, false);
    log.wait_for(&["INFO", "the server is back", &port, "after="]);
    log.wait_for(&["INFO", "renewing again", "keys=\"logged from the beginning\"", "after="]);
    assert!(guard.is_held());
    client.lock("logged from the beginning").forget_blocking().unwrap();
    log.wait_for(&["WARN", "lost the lock", "key=\"logged from the beginning\"", "its record is gone"]);
}

/// A release is tried although the circuit is open: its reply may be the first one.
#[test]
fn a_release_is_sent_although_the_circuit_is_open() {
    let (_server, proxy, client) = behind_a_wire();
    let guard = client.lock("released").acquire_blocking().unwrap();
    silence(&proxy, true);
    open_the_circuit(&client);
    silence(&proxy, false);
    guard.release_blocking().unwrap();
    client.lock("the answer closes the circuit").acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_refusal_does_not_open_the_circuit() {
    let server =
        Server::start_with(&["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-evalsha", "-eval"]);
    let client = Client::connect(&server.url()).unwrap();
    for _ in 0..5 {
        let refused = client.lock("refused").acquire_blocking().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend);
        assert!(refused.to_string().to_lowercase().contains("permission"), "{refused}");
    }
}

/// A client whose server does not exist.
fn nobody() -> Client {
    Client::connect("redis://127.0.0.1:1/0").unwrap()
}

static RUNS: AtomicU32 = AtomicU32::new(0);

macro_rules! functions {
    ($($blocking:ident, $asynchronous:ident: [$($mode:tt)*];)*) => {
        $(
            #[dspinlock(client = client, key = (), guard = lock, on_outage = "run_unlocked", $($mode)*)]
            fn $blocking(client: &Client) -> Result<(), Error> {
                assert!(!lock.is_held() && lock.fencing_token() == 0 && lock.remaining().is_zero());
                assert_eq!(lock.ensure_held().unwrap_err().kind(), ErrorKind::Lost);
                RUNS.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }

            #[dspinlock(client = client, key = (), guard = lock, on_outage = "run_unlocked", $($mode)*)]
            async fn $asynchronous(client: &Client) -> Result<(), Error> {
                lock.lost().await;
                RUNS.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        )*

        fn run_all(client: &Client) -> u32 {
            let mut called = 0;
            $(
                $blocking(client).unwrap();
                block_on($asynchronous(client)).unwrap();
                called += 2;
            )*
            called
        }
    };
}

functions! {
    locked, locked_async: [wait = "1s"];
    skipped, skipped_async: [skip];
    once, once_async: [once];
    failing, failing_async: [fail_if_key_exists];
    cached, cached_async: [cached];
}

#[dspinlock(client = client, key = (), cached, on_outage = "run_unlocked")]
fn value(client: &Client) -> Result<u32, Error> {
    Ok(RUNS.fetch_add(1, Ordering::SeqCst))
}

#[dspinlock(client = client, key = ())]
fn by_default(client: &Client) -> Result<u32, Error> {
    Ok(7)
}

#[dspinlock(client = client, key = (), on_outage = "fail")]
fn never(client: &Client) -> Result<u32, Error> {
    Ok(7)
}

/// In every mode, and always with a warning.
#[test]
fn a_function_runs_unlocked_in_an_outage_if_that_was_chosen() {
    let log = Log::of_this_process();
    let client = nobody();
    let called = run_all(&client);
    assert_eq!(RUNS.load(Ordering::SeqCst), called);
    assert_eq!(log.count(&["WARN", "WITHOUT the lock", "outages::"]), usize::try_from(called).unwrap());
    assert_eq!(value(&client).unwrap(), called, "nothing of it is stored");
    assert_eq!(value(&client).unwrap(), called + 1);

    assert_eq!(by_default(&client).unwrap_err().kind(), ErrorKind::Backend);
    let client = client.with_on_outage(OnOutage::RunUnlocked);
    assert_eq!(by_default(&client).unwrap(), 7);
    assert_eq!(never(&client).unwrap_err().kind(), ErrorKind::Backend);
    assert_eq!(client.lock("in code").acquire_blocking().unwrap_err().kind(), ErrorKind::Backend);
    let computed = client.lock("in code").get_or_compute_blocking(|| Ok::<_, Error>(8));
    assert_eq!(computed.unwrap(), 8);
}

#[dspinlock(client = client, key = (), wait = "0s", on_outage = "run_unlocked")]
fn impatient(client: &Client, inside: &dyn Fn()) -> Result<(), Error> {
    inside();
    Ok(())
}

/// A lock that another caller holds stays locked.
#[test]
fn a_held_lock_is_no_outage() {
    let client = Client::memory();
    let refused = AtomicU32::new(0);
    impatient(&client, &|| {
        let second = std::thread::scope(|scope| {
            scope.spawn(|| impatient(&client, &|| panic!("two at once"))).join().unwrap()
        });
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Contended);
        refused.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    assert_eq!(refused.into_inner(), 1);
}
