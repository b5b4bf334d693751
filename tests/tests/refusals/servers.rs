//! Servers that can't be reached, or that refuse.

use crate::{APIS, PATIENCE, refused};
use dspinlock::{Client, Config, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::{block_on, eventually, ms};
use std::error::Error as _;
use std::io::Write;
use std::net::TcpListener;

fn config(port: u16) -> Config {
    Config::new().with_port(port).with_connect_timeout(PATIENCE).with_response_timeout(PATIENCE)
}

fn client(config: &Config) -> Client {
    Client::from_config(config).unwrap()
}

/// Whether another try may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Passes,
    Lasts,
}

/// What all cases have in common: an error of kind `Backend` that names the server, with a source.
fn backend_error(client: &Client, port: u16, fault: Fault, causes: &[&str]) {
    for api in APIS {
        let error = refused(client, api);
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
        assert_eq!(error.is_retryable(), fault == Fault::Passes, "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        for cause in causes {
            assert!(text.to_lowercase().contains(&cause.to_lowercase()), "{cause}: {text}");
        }
        // The error of an open circuit has no source.
        if !text.contains("out of reach") {
            let source = error.source().expect("what is behind it");
            assert!(
                source.is::<std::io::Error>() && text.contains(source.to_string().trim_end_matches('.')),
                "{source:?}: {text}"
            );
        }
    }
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = client(&config(port));
    let error = client.ping_blocking().unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused));
    backend_error(&client, port, Fault::Passes, &["connection refused"]);
}

/// The system accepts the connection, and no server answers.
#[test]
fn nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let config = config(port).with_connect_timeout(ms(300)).with_response_timeout(ms(300));
    backend_error(&client(&config), port, Fault::Passes, &["no reply in time"]);
}

#[test]
fn a_host_without_an_address() {
    for api in APIS {
        let error = refused(&client(&config(6379).with_host("no-such-host.invalid")), api);
        assert_eq!(error.kind(), ErrorKind::Backend);
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    }
}

#[test]
fn a_wrong_password_or_none() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let (config, port) = (config(server.port()), server.port());
    backend_error(
        &client(&config.clone().with_password("hunter2")),
        port,
        Fault::Lasts,
        &["authentication", "password is wrong"],
    );
    backend_error(
        &client(&config.clone().with_username("nobody").with_password("hunter2")),
        port,
        Fault::Lasts,
        &["authentication", "password is wrong"],
    );
    backend_error(&client(&config), port, Fault::Lasts, &["noauth", "Config::with_password"]);
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(0));
    client(&config.with_password("right"))
        .lock("right")
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
    let by_url = Client::connect(&format!("redis://:right@127.0.0.1:{port}/1")).unwrap();
    by_url.lock("right").acquire_blocking().expect("another database").release_blocking().unwrap();
}

#[test]
fn a_database_that_is_not_there() {
    let server = Server::start();
    backend_error(
        &client(&config(server.port()).with_db(9999)),
        server.port(),
        Fault::Lasts,
        &["db index is out of range"],
    );
}

#[test]
fn a_node_of_a_cluster_by_the_url_of_a_server() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let Reply::Error(select) = server.command(&["SELECT", "1"]) else { panic!("it has a second database") };
    // From Valkey 9 on, clusters can have databases, and the answer is that of any server.
    let causes: &[&str] = if select.contains("cluster mode") {
        &["cluster mode", "`redis-cluster://host`"]
    } else {
        &["db index is out of range"]
    };
    let config = config(server.port()).with_db(1);
    backend_error(&client(&config), server.port(), Fault::Lasts, causes);
}

/// Whatever it speaks, a port that is no server's is a mistake in the address, and not an outage.
#[test]
fn a_server_that_speaks_something_else() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in web.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let client = client(&config(port));
    for api in APIS {
        let error = refused(&client, api);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Config, false), "{error}");
        assert!(
            error.to_string().contains("no Redis") && error.to_string().contains("`rediss://`"),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

// Calls ask a read-only server again until their time is over.

#[dspinlock(client = client, key = (), wait = "200ms")]
fn brief(client: &Client) -> Result<(), Error> {
    panic!("the body has run")
}

#[dspinlock(client = client, key = (), wait = "200ms")]
async fn brief_later(client: &Client) -> Result<(), Error> {
    panic!("the body has run")
}

#[test]
fn a_server_that_may_not_be_written() {
    let server = Server::start_with(&["--maxmemory", "1"]);
    backend_error(&client(&config(server.port())), server.port(), Fault::Passes, &["oom"]);

    let server = Server::start();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let client = client(&config(server.port()));
    for error in [brief(&client).unwrap_err(), block_on(brief_later(&client)).unwrap_err()] {
        let text = error.to_string();
        assert!(
            error.kind() == ErrorKind::Backend && error.is_retryable() && error.source().is_some(),
            "{text}"
        );
        assert!(
            text.contains(&server.port().to_string()) && text.to_lowercase().contains("readonly"),
            "{text}"
        );
    }
}

/// The error names what the access list has to allow, in the server's words or in ours.
#[test]
fn an_access_list_that_does_not_allow_enough() {
    let server = Server::start();
    for (rules, says, looks) in [
        (&["~*", "+@all", "-evalsha", "-eval"][..], &["noperm", "'evalsha'"][..], false),
        (&["~*", "+@read", "+@connection"], &["noperm", "'evalsha'"], false),
        (&["~app:*", "+@all"], &["noperm", "`staging,", "`~staging*`", "`~{staging*`"], false),
        // Redis 6.2 and 7.0 do not name the denied command of a script.
        (&["~*", "+@all", "-time"], &["TIME"], true),
        (&["~*", "+@all", "-set"], &["SET"], true),
        (&["~*", "+@all", "-getset"], &["GETSET"], true),
    ] {
        let limited = limited(&server, rules);
        backend_error(&limited, server.port(), Fault::Lasts, says);
        assert_eq!(server.command(&["DBSIZE"]).int(), Some(0), "{rules:?}");
        let looked = limited.lock("looked at").inspect_blocking();
        match looked {
            Ok(_) => assert!(looks, "{rules:?}"),
            Err(error) => assert!(!looks && !error.is_retryable(), "{rules:?}: {error}"),
        }
    }
}

/// A client with the prefix `staging`, whose user has these rights only.
fn limited(server: &Server, rules: &[&str]) -> Client {
    server.command(&["ACL", "DELUSER", "limited"]);
    let user = ["ACL", "SETUSER", "limited", "on", ">right"];
    assert!(server.command(&[&user, rules].concat()).is_ok());
    let limited = config(server.port()).with_username("limited").with_password("right");
    client(&limited).with_prefix("staging")
}

/// An acquire that finds the key free needs less than a release.
#[test]
fn an_access_list_that_allows_too_little_for_a_release() {
    let server = Server::start();
    for (rules, says) in [
        (&["~staging*", "+@all"][..], &["`{staging,", "`~staging*`", "`~{staging*`"][..]),
        (&["~*", "+@all", "-getrange"], &["getrange"]),
    ] {
        let limited = limited(&server, rules);
        let guard = limited.lock("held").acquire_blocking().unwrap();
        let error = guard.release_blocking().unwrap_err();
        assert!(error.kind() == ErrorKind::Backend && !error.is_retryable(), "{error}");
        let text = error.to_string().to_lowercase();
        assert!(says.iter().all(|says| text.contains(says)), "{text}");
        server.command(&["FLUSHALL"]);
    }
}

#[test]
fn a_server_that_lacks_a_command() {
    let server = Server::start_with(&["--rename-command", "EVALSHA", ""]);
    backend_error(
        &client(&config(server.port())),
        server.port(),
        Fault::Lasts,
        // Redis 6.2 quotes it otherwise.
        &["unknown command", "evalsha"],
    );
}

/// A server that refuses the password is not out of reach: each call gets that error.
#[test]
fn a_wrong_password_opens_no_circuit_and_ends_an_outage() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let client = client(&config(server.port()).with_password("wrong"));
    for _ in 0..10 {
        let error = client.lock("refused").acquire_blocking().unwrap_err();
        assert!(!error.is_retryable() && !error.to_string().contains("out of reach"), "{error}");
    }
    server.kill();
    eventually("the circuit is open", || {
        let error = client.lock("refused").acquire_blocking().unwrap_err();
        assert!(error.is_retryable(), "{error}");
        error.to_string().contains("out of reach")
    });
    server.restart();
    eventually("it says what is wrong again", || {
        !client.lock("refused").acquire_blocking().unwrap_err().is_retryable()
    });
}
