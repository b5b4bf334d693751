//! What works over TLS as it does without.

use super::{client, config, server, turns};
use dspinlock::{Client, Error, ErrorKind, Tls, redis_1};
use dspinlock_testkit::{Authority, Identity, Server};
use dspinlock_tests::{await_renewal, block_on, eventually, ms};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn locks_are_renewed() {
    let (server, authority) = server();
    let client = client(&server, Tls::new().with_ca_pem(authority.pem()));
    let guard = client.lock("renewed").lease(ms(600)).acquire_blocking().unwrap();
    await_renewal(&guard);
    guard.release_blocking().unwrap();
}

/// By themselves the waiters would sleep for a minute.
#[test]
fn a_release_by_another_process_wakes() {
    const MINUTE: Duration = Duration::from_secs(60);
    let (server, authority) = server();
    let tls = Tls::new().with_ca_pem(authority.pem());
    let (holder, waiter) = (client(&server, tls.clone()), client(&server, tls));
    for by_async in [false, true] {
        let guard = holder.lock("awaited").lease(MINUTE).acquire_blocking().unwrap();
        let looks = || server.calls("evalsha") + server.calls("eval");
        let before = looks();
        let lock = waiter.lock("awaited").sleep(MINUTE).wait(MINUTE).lease(MINUTE);
        let (send, got_it) = mpsc::channel();
        thread::spawn(move || {
            let guard = if by_async { block_on(lock.acquire()) } else { lock.acquire_blocking() };
            guard.unwrap().release_blocking().unwrap();
            send.send(()).unwrap();
        });
        // The first time it also asks for the server's time.
        let own = if by_async { 2 } else { 3 };
        eventually("a second attempt of the waiter", || looks() >= before + own);
        guard.release_blocking().unwrap();
        got_it.recv_timeout(MINUTE / 2).unwrap();
    }
}

/// The server shows another certificate for a while, and closes its connections: that is no outage, and still no answer.
#[test]
fn a_release_that_a_certificate_stopped_goes_on_in_the_background() {
    let (server, authority) = server();
    let client = client(&server, Tls::new().with_ca_pem(authority.pem()));
    let show = |identity: &Identity, name: &str| {
        let path = |ending: &str| server.files().join(format!("{name}.{ending}")).display().to_string();
        std::fs::write(path("pem"), &identity.certificate).unwrap();
        std::fs::write(path("key"), &identity.key).unwrap();
        let set = ["CONFIG", "SET", "tls-cert-file", &path("pem"), "tls-key-file", &path("key")];
        assert!(server.command(&set).is_ok(), "{set:?}");
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    };
    for by_async in [false, true] {
        let guard = client.lock("stopped").lease(Duration::from_secs(600)).acquire_blocking().unwrap();
        show(&Authority::new().issue(&["localhost"]), "strange");
        let released = if by_async { block_on(guard.release()) } else { guard.release_blocking() };
        assert_eq!(released.unwrap_err().kind(), ErrorKind::Config);
        show(&authority.issue(&["localhost"]), "known");
        let again = client.lock("stopped").wait(Duration::ZERO);
        eventually("the lock is free", || again.try_acquire_blocking().is_ok_and(|guard| guard.is_some()));
    }
}

#[test]
fn large_values_are_shared() {
    let (server, authority) = server();
    let tls = Tls::new().with_ca_pem(authority.pem());
    let (first, second) = (client(&server, tls.clone()), client(&server, tls));
    let value = "0123456789abcdef".repeat(300_000);
    let computed = first.lock("large").get_or_compute_blocking(|| Ok::<_, Error>(value.clone())).unwrap();
    assert!(computed == value);
    let read =
        second.lock("large").get_or_compute_blocking(|| -> Result<String, Error> { panic!("it is there") });
    assert!(read.unwrap() == value);
    let read = block_on(
        second.lock("large").get_or_compute(async || -> Result<String, Error> { panic!("it is there") }),
    );
    assert!(read.unwrap() == value);
}

#[test]
fn users_and_databases_are_those_of_the_url() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority.issue(&["localhost"]), None);
    assert!(server.command(&["ACL", "SETUSER", "me", "on", ">p@ss", "~*", "&*", "+@all"]).is_ok());
    let url = server.tls_url().replace("rediss://", "rediss://me:p%40ss@").replace("/0", "/3");
    let tls = Tls::new().with_ca_pem(authority.pem());
    let client = Client::from_config(&config(&url).with_tls(tls.clone())).unwrap();
    turns(&client).unwrap();
    assert!(server.info("keyspace").keys().eq(["db3"]), "{:?}", server.info("keyspace"));

    let wrong = Client::from_config(&config(&url).with_tls(tls).with_password("hunter2")).unwrap();
    let error = wrong.ping_blocking().unwrap_err();
    assert!(error.to_string().contains("the user or the password is wrong"), "{error}");
}

/// The `redis` crate speaks TLS there, and has no cryptography to choose but what this library installs.
#[test]
fn a_client_that_is_brought_speaks_tls_as_it_likes() {
    let (server, authority) = server();
    let brought = |authority: &Authority| {
        let certificates =
            redis::TlsCertificates { client_tls: None, root_cert: Some(authority.pem().into_bytes()) };
        redis_1::from_client(redis::Client::build_with_tls(server.tls_url(), certificates).unwrap()).unwrap()
    };
    turns(&brought(&authority)).unwrap();
    let stranger = brought(&Authority::new());
    for error in [stranger.ping_blocking().unwrap_err(), block_on(stranger.ping()).unwrap_err()] {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Config, false), "{error}");
    }
}
