//! Servers that speak TLS, with certificates that the tests make.

mod trust;
mod turns;

use dspinlock::{Client, Config, Result, Tls};
use dspinlock_testkit::{Authority, Server, TlsServer};
use dspinlock_tests::block_on;
use std::time::Duration;

/// Nothing here takes so long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server for `localhost` and 127.0.0.1 that asks for no certificate, and its authority.
fn server() -> (TlsServer, Authority) {
    let authority = Authority::new();
    let server = Server::start_tls(&authority.issue(&["localhost", "127.0.0.1"]), None);
    (server, authority)
}

fn config(url: &str) -> Config {
    Config::from_url(url).unwrap().with_connect_timeout(PATIENCE).with_response_timeout(PATIENCE)
}

fn client(server: &TlsServer, tls: Tls) -> Client {
    Client::from_config(&config(&server.tls_url()).with_tls(tls)).unwrap()
}

/// One turn by each door.
fn turns(client: &Client) -> Result<()> {
    client.lock("blocking").acquire_blocking()?.release_blocking()?;
    block_on(async { client.lock("async").acquire().await?.release().await })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { client.lock("in a runtime").acquire().await?.release().await })
}
