//! Settings of a client: how its waiters wake up, and what its functions do in an outage.

use dspinlock::{Client, Config, Error, ErrorKind, OnOutage, Wakeup, dspinlock};
use dspinlock_testkit::Server;
use dspinlock_tests::{block_on, eventually, ms};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

/// Whether the server tracks for a connection, and whether it tracks a key.
fn tracked(server: &Server) -> [bool; 2] {
    [("clients", "tracking_clients"), ("stats", "tracking_total_keys")]
        .map(|(section, field)| server.info(section)[field] != "0")
}

/// With tracking the server tracks what a waiter reads, and without it no connection asks for that.
#[test]
fn a_client_that_polls_asks_for_no_tracking() {
    for (wakeup, tracks) in [(Wakeup::Poll, false), (Wakeup::default(), true)] {
        let server = Server::start();
        let config = Config::new().with_port(server.port()).with_wakeup(wakeup);
        let client = Client::from_config(&config).unwrap();
        let plain = Config::new().with_port(server.port()).with_wakeup(Wakeup::Poll);
        let holder = Client::from_config(&plain).unwrap();
        let guard = holder.lock("example").acquire_blocking().unwrap();
        let before = server.calls("evalsha");
        thread::scope(|scope| {
            let lock = client.lock("example").sleep(ms(5)).wait(Duration::from_secs(20));
            let waiter = scope.spawn(move || lock.acquire_blocking().map(drop));
            // The waiter asks for the server's time, for the lock, and again while it waits.
            eventually("a waiter", || server.calls("evalsha") >= before + 3);
            // A renewal of the holder ends the tracking of the key, until the waiter looks again.
            eventually("it is tracked as it should be", || tracked(&server) == [tracks; 2]);
            guard.release_blocking().unwrap();
            waiter.join().unwrap().unwrap();
        });
        assert_eq!(tracked(&server)[0], tracks, "{wakeup:?}");
    }
}

#[dspinlock(key = (), client = client, guard = lock)]
fn work(client: &Client) -> Result<bool, Error> {
    Ok(lock.is_held())
}

#[dspinlock(key = (), client = client, guard = lock)]
async fn work_later(client: &Client) -> Result<bool, Error> {
    Ok(lock.is_held())
}

#[dspinlock(key = (), client = client, on_outage = "fail", guard = lock)]
fn strict(client: &Client) -> Result<bool, Error> {
    Ok(lock.is_held())
}

#[test]
fn a_client_has_a_default_for_outages() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = Config::new().with_port(port).with_connect_timeout(ms(300)).with_response_timeout(ms(300));
    let failing = Client::from_config(&config).unwrap();
    let running = failing.clone().with_on_outage(OnOutage::RunUnlocked);
    for result in [work(&failing), block_on(work_later(&failing)), strict(&running)] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Backend);
    }
    assert!(!work(&running).unwrap(), "it runs, and holds nothing");
    assert!(!block_on(work_later(&running)).unwrap());
    assert!(work(&Client::memory().with_on_outage(OnOutage::RunUnlocked)).unwrap());
}
