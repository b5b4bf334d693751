//! A server whose access list forbids tracking.

use dspinlock::{Client, Config};
use dspinlock_testkit::Server;
use dspinlock_tests::{Log, eventually, ms};
use std::thread;
use std::time::Duration;

#[test]
fn missing_tracking_is_noticed_once_and_logged_once() {
    let log = Log::of_this_process();
    let logged = || log.count(&["notifies of no changes"]);
    let server = Server::start();
    // A server before 7.0 can allow a single subcommand, and can't forbid one.
    let rights = ["~*", "&*", "+@all", "-client", "+client|tracking"];
    let set = server.command(&[&["ACL", "SETUSER", "plain", "on", ">secret"], &rights[..]].concat());
    assert!(set.is_ok(), "{set:?}");
    let config = Config::new().with_port(server.port()).with_username("plain").with_password("secret");
    let (client, holder) = (Client::from_config(&config).unwrap(), Client::connect(&server.url()).unwrap());
    for _ in 0..2 {
        let guard = holder.lock("example").acquire_blocking().unwrap();
        let lock = client.lock("example").sleep(ms(5)).wait(Duration::from_secs(60));
        thread::scope(|scope| {
            let waiter = scope.spawn(move || lock.acquire_blocking().map(drop));
            eventually("the waiter has made an attempt", || logged() == 1);
            guard.release_blocking().unwrap();
            waiter.join().unwrap().unwrap();
        });
        // The client connects again, and does not try to track again.
        server.command(&["CLIENT", "KILL", "USER", "plain"]);
    }
    assert_eq!(logged(), 1);
}
