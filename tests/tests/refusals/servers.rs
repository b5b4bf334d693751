//! Servers that can't be reached, or that refuse.

use crate::secrets::request;
use crate::{APIS, PATIENCE, refused};
use dspinlock::{Client, Config, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Authority, Reply, Server};
use dspinlock_tests::{Log, block_on, eventually, ms};
use std::error::Error as _;
use std::io::{BufReader, Read, Write};
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

/// What the text of each error is: one line that names the function and the address, says where that came from, what is wrong and
/// what to do, and has no secret.
#[track_caller]
fn assert_plain(error: &Error, address: &str, parts: &[&str]) {
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains('\r'), "{text:?}");
    for part in [address, " (from "].iter().chain(parts) {
        assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part}: {text}");
    }
    let function = error.function().expect("the function is known");
    assert!(text.starts_with(&format!("{function} (key {}): ", error.key().unwrap())), "{text}");
    // Neither words of the `redis` crate, nor a password.
    for odd in ["- AuthenticationFailed", "Server(", "Parse error", "hunter2", "swordfish"] {
        assert!(!format!("{text} {error:?}").contains(odd), "{odd}: {text}");
    }
}

/// What all cases have in common: an error of kind `Backend` that names the server, with a source.
fn backend_error(client: &Client, port: u16, fault: Fault, causes: &[&str]) {
    for api in APIS {
        let error = refused(client, api);
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
        assert_eq!(error.is_retryable(), fault == Fault::Passes, "{error}");
        assert_plain(&error, &format!("127.0.0.1:{port}"), causes);
        let text = error.to_string();
        // The error of an open circuit has no source.
        if !text.contains("circuit open") {
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
    backend_error(
        &client,
        port,
        Fault::Passes,
        &["(from `Config`)", "connection refused", "start the server"],
    );
    let text = refused(&client, APIS[0]).to_string();
    assert!(text.ends_with(" (circuit open; probing)"), "{text}");
    assert!(!text.contains("out of reach"), "{text}");
}

/// The system accepts the connection, and no server answers.
#[test]
fn nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let config = config(port).with_connect_timeout(ms(300)).with_response_timeout(ms(300));
    backend_error(&client(&config), port, Fault::Passes, &["no reply in time", "firewall"]);
}

#[test]
fn a_host_without_an_address() {
    for api in APIS {
        let error = refused(&client(&config(6379).with_host("no-such-host.invalid")), api);
        assert_eq!(error.kind(), ErrorKind::Backend);
        assert_plain(&error, "no-such-host.invalid:6379", &["no host of this name", "correct the name"]);
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
        &["authentication failed", "password is wrong", "Config::with_password"],
    );
    backend_error(
        &client(&config.clone().with_username("nobody").with_password("hunter2")),
        port,
        Fault::Lasts,
        &["authentication failed", "password is wrong", "Config::with_password"],
    );
    backend_error(
        &client(&config),
        port,
        Fault::Lasts,
        &["noauth", "`redis://:password@host`", "Config::with_password"],
    );
    // The database is asked for before anything else.
    for query in ["", "?wakeup=poll", "?protocol=resp3"] {
        let client = Client::connect(&format!("redis://127.0.0.1:{port}/3{query}")).unwrap();
        backend_error(&client, port, Fault::Lasts, &["authentication required", "`DSPINLOCK_PASSWORD`"]);
    }
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
        &["refuses the database: db index is out of range", "`redis://host/0`", "0 to 15"],
    );
}

/// It is no server that can't notify of changes. A proxy that wants `AUTH` before anything else is one.
#[test]
fn a_missing_password_is_not_taken_for_missing_tracking() {
    let log = Log::of_this_process();
    let server = Server::start_with(&["--requirepass", "right"]);
    let client = client(&config(server.port()));
    for _ in 0..2 {
        assert!(client.ping_blocking().is_err() && block_on(client.ping()).is_err());
        assert!(block_on(client.lock("refused").acquire()).is_err());
    }
    assert_eq!(log.count(&["notifies of no changes", "NOAUTH"]), 0, "{:?}", log.all());
    a_proxy_that_wants_auth_before_anything_else_is_used_without_tracking();
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
    // It answers as soon as it is connected to.
    no_server(&format!("redis://127.0.0.1:{port}"), port, &["no Redis", "the port", "`rediss://`"]);
}

/// What answers there is no server: one line, as often as it is asked.
fn no_server(url: &str, port: u16, parts: &[&str]) {
    for query in ["", "?protocol=resp3", "?wakeup=poll"] {
        let client = Client::connect(&format!("{url}{query}")).unwrap();
        for api in APIS.into_iter().chain(APIS) {
            let error = refused(&client, api);
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Config, false), "{error}");
            assert_plain(&error, &format!("127.0.0.1:{port}"), parts);
            assert_plain(&error, "(from `Client::connect`)", &[]);
        }
    }
}

/// A web server, which reads a request first. Sentinels are asked over connections of another kind.
#[test]
fn a_web_server() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in web.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request",
            );
        }
    });
    no_server(&format!("redis://127.0.0.1:{port}"), port, &["no Redis", "the port", "`rediss://`"]);
    no_server(&format!("redis://:hunter2@127.0.0.1:{port}/2"), port, &["no Redis", "the port"]);
    no_server(&format!("redis-cluster://127.0.0.1:{port}"), port, &["no Redis", "the port"]);
    no_server(
        &format!("redis-sentinel://127.0.0.1:{port}/main"),
        port,
        &["no sentinel", "the ports", "`redis://`"],
    );
    // Without certificates of the system there is no client.
    let ca = dspinlock::Tls::new().with_ca_pem(Authority::new().pem());
    let over_tls = client(&config(port).with_tls(ca));
    for api in APIS {
        assert_plain(
            &refused(&over_tls, api),
            &port.to_string(),
            &["speaks no TLS", "the port", "`redis://`"],
        );
    }
}

/// A port with TLS closes the connection, as an overloaded server may do: that may pass.
#[test]
fn tls_where_it_is_not_expected_and_the_reverse() {
    let server = Server::start_tls(&Authority::new().issue(&["127.0.0.1"]), None);
    let plain = Client::connect(&format!("redis://127.0.0.1:{}", server.tls_port())).unwrap();
    backend_error(&plain, server.tls_port(), Fault::Passes, &["closed the connection", "`rediss://`"]);

    let ca = dspinlock::Tls::new().with_ca_pem(Authority::new().pem());
    let over_tls = config(server.port()).with_tls(ca).with_connect_timeout(ms(300));
    for api in APIS {
        // Older servers wait for the end of a long word, newer ones refuse it.
        let error = refused(&client(&over_tls), api);
        assert_plain(&error, &format!("127.0.0.1:{}", server.port()), &["`redis://`", "no TLS"]);
    }
}

/// Such a proxy knows no `HELLO` with a password, and takes `AUTH`.
// Not a test of its own: what it logs is what the test of a missing password must not find in the log of this process.
fn a_proxy_that_wants_auth_before_anything_else_is_used_without_tracking() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            let mut replies = stream.unwrap();
            let mut requests = BufReader::new(replies.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut is_known = false;
                while let Some(words) = request(&mut requests) {
                    is_known |= words[0] == "AUTH";
                    let reply = match &*words[0] {
                        _ if !is_known => "-NOAUTH Authentication required.",
                        "PING" => "+PONG",
                        _ => "+OK",
                    };
                    // A client that is gone does not matter.
                    let _ = replies.write_all(format!("{reply}\r\n").as_bytes());
                }
            });
        }
    });
    block_on(client(&config(port).with_password("right")).ping()).unwrap();
    let error = block_on(client(&config(port)).ping()).unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("NOAUTH"), "{error}");
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
        assert!(!error.is_retryable() && !error.to_string().contains("circuit open"), "{error}");
    }
    server.kill();
    eventually("the circuit is open", || {
        let error = client.lock("refused").acquire_blocking().unwrap_err();
        assert!(error.is_retryable(), "{error}");
        error.to_string().contains("circuit open; probing")
    });
    server.restart();
    eventually("it says what is wrong again", || {
        !client.lock("refused").acquire_blocking().unwrap_err().is_retryable()
    });
}
