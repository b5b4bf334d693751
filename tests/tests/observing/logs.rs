//! The way of a lock in the log: `docs/logs.md` has the table of events.

use std::thread;
use std::time::Duration;

use dspinlock::{Client, Config, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{Log, eventually, ms};

/// A server, and two clients that share nothing else, as two processes do.
fn two() -> (Server, Client, Client) {
    let server = Server::start();
    let [ours, theirs] = [(); 2].map(|()| Client::connect(&server.url()).unwrap());
    (server, ours, theirs)
}

#[test]
fn a_waiter_says_at_once_and_after_a_lease_whom_it_waits_for() {
    let log = Log::of_this_process();
    let (_server, ours, theirs) = two();
    let held = ours.lock("awaited").lease(Duration::from_secs(10)).acquire_blocking().unwrap();
    let lock = theirs.lock("awaited").lease(ms(100)).sleep(ms(20)).wait(Duration::from_secs(30));
    thread::scope(|scope| {
        scope.spawn(|| lock.acquire_blocking().unwrap().release_blocking().unwrap());
        let holder = format!("/{}", std::process::id());
        log.wait_for(&["DEBUG", "message=waiting", "\"awaited\"", &holder]);
        // It looks again when the record is changed, at the latest.
        eventually("it has waited for a lease", || {
            theirs.lock("awaited").inspect_blocking().unwrap();
            log.count(&["INFO", "still waiting for the lock", "\"awaited\"", &holder]) == 1
                || ours.lock("awaited").inspect_blocking().unwrap().is_none()
        });
        held.release_blocking().unwrap();
    });
    assert_eq!(log.count(&["still waiting for the lock", "\"awaited\""]), 1, "{:?}", log.all());
    assert_eq!(log.count(&["message=waiting", "\"awaited\""]), 1);
}

/// The holder is a record that nobody renews.
#[test]
fn a_lock_that_is_taken_over_from_a_crashed_holder_names_it() {
    let log = Log::of_this_process();
    let (server, ours, _) = two();
    let crashed = ours.lock("crashed");
    let record = crashed.record_key().unwrap();
    let held = ours.lock("crashed").acquire_blocking().unwrap();
    server.command(&["COPY", record, "aside"]);
    held.release_blocking().unwrap();
    server.command(&["COPY", "aside", record, "REPLACE"]);
    server.command(&["PEXPIRE", record, "200"]);
    crashed.acquire_blocking().unwrap().release_blocking().unwrap();
    let holder = format!("/{}", std::process::id());
    assert_eq!(log.count(&["DEBUG", "taken over", "\"crashed\"", &holder]), 1, "{:?}", log.all());
    crashed.acquire_blocking().unwrap().release_blocking().unwrap();
    assert_eq!(log.count(&["taken over", "\"crashed\""]), 1, "a lock that was given back is not taken over");
}

#[test]
fn a_hand_over_is_logged_by_both() {
    let log = Log::of_this_process();
    let client = Client::memory();
    let lock = client.lock("handed").namespace("logs").expire(None);
    let held = lock.acquire_blocking().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| lock.acquire_blocking().unwrap().release_blocking().unwrap());
        }
        eventually("they wait", || log.count(&["message=waiting", "\"handed\""]) >= 1);
        held.release_blocking().unwrap();
    });
    let handed = log.count(&["DEBUG", "message=handed over", "\"handed\""]);
    assert_eq!(log.count(&["DEBUG", "entered: handed over", "\"handed\"", "fence="]), handed);
    let ends = log.count(&["given back", "\"handed\"", "fence="]) + handed;
    assert_eq!(ends, 9, "{:?}", log.all());
}

#[dspinlock(client = client, key = "cancelled", on_lost = "cancel", lease = "100ms")]
async fn cancelled(client: &Client) -> Result<(), Error> {
    let lock = client.lock("cancelled").namespace("unused");
    lock.inspect().await?;
    std::future::pending().await
}

#[test]
fn a_body_that_is_cancelled_is_logged() {
    let log = Log::of_this_process();
    let (server, ours, _) = two();
    thread::scope(|scope| {
        let call = scope.spawn(|| dspinlock_tests::block_on(cancelled(&ours)).unwrap_err());
        log.wait_for(&["message=entered", "::cancelled"]);
        server.command(&["FLUSHALL"]);
        assert_eq!(call.join().unwrap().kind(), ErrorKind::Lost);
    });
    let lost = ["WARN", "lost the lock", "::cancelled", "its record is gone or another's"];
    assert_eq!(log.count(&lost), 1, "{:?}", log.all());
    assert_eq!(log.count(&["WARN", "the body is cancelled", "::cancelled", "fence="]), 1);
}

/// With the first of the locks by name, once for each try, and the return with how long it took. It is the matter of no single call.
#[test]
fn an_outage_names_the_locks_and_says_how_long_it_was() {
    const LIMIT: Duration = ms(100);
    let log = Log::of_this_process();
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let url = proxy.url();
    let config = Config::from_url(&url).unwrap().with_connect_timeout(LIMIT).with_response_timeout(LIMIT);
    let client = Client::from_config(&config).unwrap();
    let lock = |number: u32| client.lock(("outage", number)).lease(Duration::from_secs(3));
    let guards: Vec<_> = (0..5).map(|number| lock(number).acquire_blocking().unwrap()).collect();
    let silence = |on| {
        proxy.blackhole(Direction::Requests, on);
        proxy.blackhole(Direction::Replies, on);
    };
    silence(true);
    log.wait_for(&["WARN", "could not renew", "keys=", "\"outage\", 0", "\"outage\", 2", ", …", "locks=5"]);
    log.wait_for(&["WARN root", "the server is out of reach", &proxy.address().port().to_string()]);
    silence(false);
    log.wait_for(&["INFO root", "the server is back", "after="]);
    log.wait_for(&["INFO", "renewing again", "\"outage\"", "after="]);
    assert_eq!(log.count(&["could not renew", "\"outage\", 3"]), 0, "the first three only");
    for guard in guards {
        guard.release_blocking().unwrap();
    }
}

/// Once in a process, so this is the only test here that does it.
#[test]
fn a_blocking_call_inside_a_runtime_is_logged_once() {
    let log = Log::of_this_process();
    let client = Client::memory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blocks = || client.lock("blocks").acquire_blocking().unwrap().release_blocking().unwrap();
    blocks();
    assert_eq!(log.count(&["a blocking call inside a Tokio runtime"]), 0);
    runtime.block_on(async {
        blocks();
        blocks();
    });
    assert_eq!(log.count(&["DEBUG", "a blocking call inside a Tokio runtime", "\"blocks\""]), 1);
}
