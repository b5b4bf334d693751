//! Servers that are not there, or that refuse.

use crate::{DOORS, PATIENCE, refused};
use dspinlock::{Client, Config, ErrorKind};
use dspinlock_testkit::Server;
use std::net::TcpListener;

fn config(port: u16) -> Config {
    Config::new().port(port).connect_timeout(PATIENCE).response_timeout(PATIENCE)
}

fn client(config: &Config) -> Client {
    Client::from_config(config).unwrap()
}

/// What the cases have in common: an error of the server's or of the connection's, that says where.
fn backend_error(client: &Client, port: u16, cause: &str) {
    for door in DOORS {
        let error = refused(client, door);
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        assert!(text.to_lowercase().contains(cause), "{cause}: {text}");
    }
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    backend_error(&client(&config(port)), port, "connection refused");
}

/// The connection is made by the system, and nobody ever answers.
#[test]
fn nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    backend_error(&client(&config(port)), port, "no reply in time");
}

#[test]
fn a_host_without_an_address() {
    for door in DOORS {
        let error = refused(&client(&config(6379).host("no-such-host.invalid")), door);
        assert_eq!(error.kind(), ErrorKind::Backend);
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    }
}

#[test]
fn a_wrong_password_or_none() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let (config, port) = (config(server.port()), server.port());
    backend_error(&client(&config.clone().password("hunter2")), port, "authentication");
    backend_error(&client(&config.clone().username("nobody").password("hunter2")), port, "authentication");
    backend_error(&client(&config), port, "noauth");
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(0));
    client(&config.password("right")).lock("right").acquire_blocking().unwrap().release_blocking().unwrap();
    let by_url = Client::connect(&format!("redis://:right@127.0.0.1:{port}/1")).unwrap();
    by_url.lock("right").acquire_blocking().expect("another database").release_blocking().unwrap();
}

#[test]
fn a_database_that_is_not_there() {
    let server = Server::start();
    backend_error(&client(&config(server.port()).db(9999)), server.port(), "db index is out of range");
}

#[test]
fn a_server_that_may_not_be_written() {
    let server = Server::start_with(&["--maxmemory", "1"]);
    backend_error(&client(&config(server.port())), server.port(), "oom");

    let server = Server::start();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    backend_error(&client(&config(server.port())), server.port(), "readonly");

    let server = Server::start();
    server.command(&["ACL", "SETUSER", "reader", "on", ">right", "~*", "+@read", "+@connection"]);
    let reader = config(server.port()).username("reader").password("right");
    backend_error(&client(&reader), server.port(), "noperm");
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(0));
}
