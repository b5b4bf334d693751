//! The server of the testkit, tried for real.

use std::time::Duration;

use dspinlock_testkit::{Reply, Server};

#[test]
fn two_servers_share_nothing() {
    let (one, two) = (Server::start(), Server::start());
    assert_ne!(one.port(), two.port());
    assert!(one.command(&["SET", "k", "v"]).is_ok());
    assert_eq!(one.command(&["GET", "k"]).text(), Some("v"));
    assert_eq!(two.command(&["GET", "k"]), Reply::Nil);
}

#[test]
fn replies_of_every_kind() {
    let server = Server::start();
    assert_eq!(server.command(&["LPUSH", "list", "a", "b"]).int(), Some(2));
    let list = server.command(&["LRANGE", "list", "0", "-1"]);
    assert_eq!(list, Reply::List(vec![Reply::Bytes(b"b".to_vec()), Reply::Bytes(b"a".to_vec())]));
    assert!(matches!(server.command(&["GET", "list"]), Reply::Error(text) if text.starts_with("WRONGTYPE")));
    let bytes = [b"SET".as_slice(), b"raw", b"\xff\r\n\0"];
    assert!(server.command(&bytes).is_ok());
    assert_eq!(server.command(&["GET", "raw"]), Reply::Bytes(b"\xff\r\n\0".to_vec()));
}

#[test]
fn counts_commands() {
    let server = Server::start();
    for _ in 0..3 {
        server.command(&["GET", "k"]);
    }
    assert_eq!(server.command_stats()["get"], 3);
    assert!(server.info("server").contains_key("redis_version"));
}

#[test]
fn a_paused_server_answers_when_it_goes_on() {
    let server = Server::start();
    let mut connection = server.connect().unwrap();
    connection.set_patience(Some(Duration::from_millis(100))).unwrap();
    server.pause();
    connection.send(&["PING"]).unwrap();
    assert!(connection.receive().is_err());
    server.resume();
    connection.set_patience(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(connection.receive().unwrap().text(), Some("PONG"));
}

#[test]
fn a_restart_keeps_the_port_and_forgets_the_data() {
    let server = Server::start();
    let (port, pid) = (server.port(), server.pid());
    server.command(&["SET", "k", "v"]);
    server.kill();
    assert!(server.connect().is_err());
    assert_eq!(server.pid(), None);
    server.restart();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.command(&["GET", "k"]), Reply::Nil);
}

#[test]
fn an_append_only_server_keeps_its_data_over_a_kill() {
    let server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    server.command(&["SET", "k", "v"]);
    server.restart();
    assert_eq!(server.command(&["GET", "k"]).text(), Some("v"));
}

#[test]
fn a_replica_follows_until_it_is_promoted() {
    let primary = Server::start();
    primary.command(&["SET", "k", "before"]);
    let replica = Server::start_replica_of(&primary);
    assert_eq!(replica.command(&["GET", "k"]).text(), Some("before"));
    primary.command(&["SET", "k", "after"]);
    replica.await_writes_of(&primary);
    assert_eq!(replica.command(&["GET", "k"]).text(), Some("after"));

    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    assert!(replica.command(&["SET", "k", "own"]).is_ok());
    primary.command(&["SET", "other", "v"]);
    assert_eq!(replica.command(&["GET", "other"]), Reply::Nil);
    replica.follow(&primary);
    assert_eq!(replica.command(&["GET", "k"]).text(), Some("after"));
    assert_eq!(primary.command(&["DBSIZE"]).int(), Some(2), "nothing of this is left");
}

#[test]
fn a_password_is_given() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    assert_eq!(server.command(&["PING"]).text(), Some("PONG"));
}

#[test]
fn a_wrong_option_is_reported_with_the_log() {
    let error = Server::try_start_with(&["--no-such-option", "1"]).unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
}

#[test]
fn nothing_is_left_behind() {
    let server = Server::start();
    let (dir, pid) = (server.dir().to_owned(), server.pid().unwrap());
    assert!(dir.is_dir());
    drop(server);
    assert!(!dir.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}/status")).exists());

    let server = Server::start();
    let dir = server.dir().to_owned();
    server.kill();
    assert!(dir.is_dir());
    drop(server);
    assert!(!dir.exists());
}
