//! What the parts of a URL lead to.

use dspinlock::{Client, Config};
use dspinlock_testkit::Server;
use dspinlock_tests::block_on;

fn turns(client: &Client) {
    client.lock("blocking").acquire_blocking().unwrap().release_blocking().unwrap();
    block_on(async { client.lock("async").acquire().await?.release().await }).unwrap();
}

#[test]
fn a_socket_with_a_user_and_a_database() {
    let server = Server::start_with(&["--unixsocket", "the socket"]);
    assert!(server.command(&["ACL", "SETUSER", "me", "on", ">p&ss", "~*", "&*", "+@all"]).is_ok());
    let path = format!("{}/the%20socket", server.dir().display());
    turns(&Client::connect(&format!("unix://{path}?db=3&user=me&pass=p%26ss")).unwrap());
    assert!(server.info("keyspace").keys().eq(["db3"]), "{:?}", server.info("keyspace"));
    let wrong = Client::connect(&format!("redis+unix://{path}?user=me&pass=p")).unwrap();
    assert!(wrong.ping_blocking().unwrap_err().to_string().contains("password is wrong"));
    let nobody = Client::connect("redis+unix:///no/such/socket?pass=hunter2").unwrap();
    says(
        &nobody,
        &["/no/such/socket/0 (from `Client::connect`): ", "no socket at this path", "start the server"],
    );
}

/// The text of the error of a first use, by both doors.
fn says(client: &Client, parts: &[&str]) {
    for error in [client.ping_blocking().unwrap_err(), block_on(client.ping()).unwrap_err()] {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    }
}

/// Making a client connects to nothing. The error says where the address came from.
#[test]
fn an_error_names_the_place_of_the_address() {
    let url = "redis://:hunter2@127.0.0.1:1/2";
    let at = |origin: &str| format!("redis at 127.0.0.1:1/2 (from {origin}): ");
    says(&Client::connect(url).unwrap(), &[&at("`Client::connect`"), "start the server"]);
    let config = Config::from_url(url).unwrap();
    says(&Client::from_config(&config).unwrap(), &[&at("`Config::from_url`")]);
    // A password does not change the place, and a port does.
    says(
        &Client::from_config(&config.clone().with_password("hunter2")).unwrap(),
        &[&at("`Config::from_url`")],
    );
    says(&Client::from_config(&config.with_port(1)).unwrap(), &[&at("`Config`")]);
    says(&Client::from_config(&Config::new().with_port(1).with_db(2)).unwrap(), &[&at("`Config`")]);
    for json in [format!("{url:?}"), format!("{{ \"url\": {url:?} }}")] {
        let config: Config = serde_json::from_str(&json).unwrap();
        says(&Client::from_config(&config).unwrap(), &[&at("a configuration file")]);
    }
    let brought = dspinlock::redis_1::from_client(redis::Client::open(url).unwrap()).unwrap();
    says(&brought, &[&at("`redis_1::from_client`")]);
    let cluster = Client::connect("redis-cluster://:hunter2@127.0.0.1:1").unwrap();
    says(&cluster, &["redis at 127.0.0.1:1 (from `Client::connect`): ", "start the server"]);
    let sentinels = Client::connect("redis-sentinel://:hunter2@127.0.0.1:1/main").unwrap();
    says(
        &sentinels,
        &["(from `Client::connect`): ", "127.0.0.1:1: Connection refused", "start the sentinels"],
    );
}

#[test]
fn a_url_that_can_not_be_used_says_what_to_write() {
    for (url, parts) in [
        ("", ["empty", "`redis://host"]),
        ("http://:hunter2@host", ["web server", "`redis://"]),
        ("https://:hunter2@host", ["web server", "`rediss://` for TLS"]),
        ("localhost:6379", ["no scheme", "`redis://host:6379/0`"]),
        ("amqp://:hunter2@host", ["a scheme that is not known", "`redis://"]),
        ("redis://:hunter2@host/abc", ["not the number of a database", "`redis://host:6379/0`"]),
        ("redis://:hunter2@host:x", ["no port", "`redis://"]),
        ("redis://:hunter2@", ["no host", "`redis://"]),
    ] {
        let error = Client::connect(url).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), dspinlock::ErrorKind::Config, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{url}: {text}");
        assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_user_a_database_and_a_protocol() {
    let server = Server::start();
    assert!(server.command(&["ACL", "SETUSER", "m@", "on", ">a:b/c%", "~*", "&*", "+@all"]).is_ok());
    let url = format!("valkey://m%40:a:b%2Fc%25@127.0.0.1:{}/3?protocol=resp3&wakeup=poll", server.port());
    let client = Client::connect(&url).unwrap();
    turns(&client);
    assert!(server.info("keyspace").keys().eq(["db3"]), "{:?}", server.info("keyspace"));
    let clients = server.command(&["CLIENT", "LIST"]);
    let clients = clients.text().unwrap();
    let ours: Vec<_> = clients.lines().filter(|line| line.contains("user=m@")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| line.contains("resp=3")), "{clients}");
}

#[test]
fn a_setter_overrides_the_url() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let config = Config::from_url("redis://:wrong@no-such-host.invalid:1/9").unwrap();
    turns(
        &Client::from_config(
            &config.with_host("127.0.0.1").with_port(server.port()).with_db(1).with_password("right"),
        )
        .unwrap(),
    );
    assert!(server.info("keyspace").keys().eq(["db1"]), "{:?}", server.info("keyspace"));
}
