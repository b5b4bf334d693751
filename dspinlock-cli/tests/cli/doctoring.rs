//! `doctor`.

use crate::{Ran, cli, on, run};
use dspinlock_testkit::Server;

/// The verdict on each check that was made.
fn verdict(ran: &Ran, check: &str) -> String {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.map_or_else(|| "none".to_owned(), |finding| finding["verdict"].as_str().unwrap().to_owned())
}

#[test]
fn a_healthy_server_needs_no_change() {
    let server = Server::start_with(&["--appendonly", "yes"]);
    let ran = on(&server, &["doctor", "--json"]);
    assert_eq!((ran.code, &ran.json()["healthy"]), (Some(0), &true.into()), "{}", ran.out);
    for check in
        ["connection", "tls", "version", "latency", "clock", "eviction", "persistence", "a lock", "wake-ups"]
    {
        assert_eq!(verdict(&ran, check), "good", "{check}: {}", ran.out);
    }
    let left = on(&server, &["ls", "--json"]).json();
    assert_eq!(left["locks"].as_array().map(Vec::len), Some(0), "{left:#}");
    assert!(on(&server, &["doctor"]).out.contains("good  wake-ups"));
}

#[test]
fn dangers_are_found_with_what_to_change() {
    let server = Server::start_with(&["--maxmemory", "200mb", "--maxmemory-policy", "allkeys-lru"]);
    let ran = on(&server, &["doctor", "--json", "--read-only"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        [verdict(&ran, "eviction"), verdict(&ran, "persistence"), verdict(&ran, "a lock")],
        ["bad", "bad", "none"]
    );
    assert!(ran.out.contains("maxmemory-policy noeviction"), "{}", ran.out);
    assert_eq!(server.calls("evalsha"), 0, "nothing was written");
    let replica = Server::start_replica_of(&server);
    let ran = on(&replica, &["doctor", "--json", "--read-only"]);
    assert_eq!((ran.code, &*verdict(&ran, "role")), (Some(1), "bad"));
}

#[test]
fn a_user_with_few_rights_is_told_which() {
    let server = Server::start_with(&["--appendonly", "yes"]);
    let rights = ["~dspinlock*", "~{dspinlock*", "+@all", "-info", "-config", "-acl", "-client|tracking"];
    let user = [&["ACL", "SETUSER", "me", "on", ">secret"], &rights[..]].concat();
    assert!(server.command(&user).is_ok());
    let url = format!("redis://me:secret@127.0.0.1:{}", server.port());
    let ran = run(&mut cli(&url, &["doctor", "--json"]));
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    for (check, expected) in
        [("version", "unknown"), ("eviction", "unknown"), ("rights", "note"), ("a lock", "good")]
    {
        assert_eq!(verdict(&ran, check), expected, "{check}: {}", ran.out);
    }
    assert!(server.command(&["ACL", "SETUSER", "me", "-set"]).is_ok());
    let ran = run(&mut cli(&url, &["doctor", "--json"]));
    assert_eq!((ran.code, &*verdict(&ran, "a lock")), (Some(1), "bad"), "{}", ran.out);
    assert!(!ran.out.contains("secret"));
}

#[test]
fn waiters_that_poll_are_noticed() {
    let server = Server::start_with(&["--appendonly", "yes"]);
    let ran = run(&mut cli(&format!("{}?wakeup=poll", server.url()), &["doctor", "--json"]));
    assert_eq!((ran.code, &*verdict(&ran, "wake-ups")), (Some(0), "note"), "{}", ran.out);
}

#[test]
fn a_server_that_is_gone_is_a_finding() {
    let server = Server::start();
    let url = server.url();
    drop(server);
    let ran = run(&mut cli(&url, &["doctor", "--json"]));
    assert_eq!((ran.code, &*verdict(&ran, "connection")), (Some(69), "bad"), "{ran:?}");
}
