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
