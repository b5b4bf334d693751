//! Who trusts whom, and what is said where that fails: at once, as an error of the configuration, and not as an outage.

use super::{client, config, server, turns};
use dspinlock::{Client, Error, ErrorKind, OnOutage, Tls};
use dspinlock_testkit::{Authority, Server};
use dspinlock_tests::{alone, block_on, eventually, timed};
use std::path::PathBuf;
use std::time::Duration;

/// Each door is refused in these words, as often as it asks, and the server does not count as out of reach.
#[track_caller]
fn assert_refused(client: &Client, words: &[&str]) {
    let client = client.clone().with_on_outage(OnOutage::RunUnlocked);
    let lock = client.lock("refused").wait(Duration::from_secs(600));
    // More often than a circuit takes to open.
    for _ in 0..4 {
        let (refusals, took) = timed(|| {
            [
                lock.acquire_blocking().unwrap_err(),
                block_on(lock.acquire()).unwrap_err(),
                client.ping_blocking().unwrap_err(),
                block_on(client.ping()).unwrap_err(),
                block_on(lock.get_or_compute(async || -> Result<u8, Error> { panic!("no lock") }))
                    .unwrap_err(),
            ]
        });
        for error in refusals {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(!error.is_retryable(), "{error}");
            let text = error.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
            assert!(!text.contains("circuit open") && !text.contains('\n'), "{text}");
        }
        assert!(took < Duration::from_secs(300), "not at once: {took:?}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let (server, authority) = server();
    turns(&client(&server, Tls::new().with_ca_pem(authority.pem()))).unwrap();
    let stranger = Tls::new().with_ca_pem(Authority::new().pem());
    assert_refused(&client(&server, stranger), &["invalid peer certificate", "give its CA", "`tls_ca`"]);
    // The system's do not know it either. Where there are none, that is said when the client is made.
    match Client::from_config(&config(&server.tls_url())) {
        Ok(client) => assert_refused(&client, &["invalid peer certificate", "give its CA", "`tls_ca`"]),
        Err(error) => assert!(error.to_string().contains("`ca-certificates`"), "{error}"),
    }
}

/// The process has its authorities of the system from a file that its environment names.
#[test]
fn the_systems_authorities_are_trusted_unless_another_is_given() {
    const FILE: &str = "SSL_CERT_FILE";
    let name = "trust::the_systems_authorities_are_trusted_unless_another_is_given";
    let (server, authority) = server();
    let file = server.files().join(server.tls_port().to_string());
    std::fs::write(&file, authority.pem()).unwrap();
    if alone(name, FILE, Some(file.into())).is_none() {
        // The parent's server: the name of its file is the port.
        let file = PathBuf::from(std::env::var_os(FILE).unwrap());
        let url = format!("rediss://localhost:{}", file.file_name().unwrap().display());
        turns(&Client::from_config(&config(&url)).unwrap()).unwrap();
        let other = config(&url).with_tls(Tls::new().with_ca_pem(Authority::new().pem()));
        assert_refused(&Client::from_config(&other).unwrap(), &["`tls_ca`"]);
    }
}

#[test]
fn a_bundle_of_authorities_is_trusted_as_a_whole() {
    let (server, authority) = server();
    let bundle = format!("# Comments are skipped.\n{}{}", Authority::new().pem(), authority.pem());
    turns(&client(&server, Tls::new().with_ca_pem(bundle))).unwrap();
}

#[test]
fn a_certificate_for_another_name_is_refused_unless_that_name_is_given() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority.issue(&["redis.internal"]), None);
    let tls = Tls::new().with_ca_pem(authority.pem());
    assert_refused(
        &client(&server, tls.clone()),
        &["not valid for name", "redis.internal", "`tls_server_name`"],
    );
    turns(&client(&server, tls.with_server_name("redis.internal"))).unwrap();
}

#[test]
fn a_certificate_for_an_address_is_good_for_that_address() {
    let (server, authority) = server();
    let url = format!("rediss://127.0.0.1:{}", server.tls_port());
    let tls = Tls::new().with_ca_pem(authority.pem());
    turns(&Client::from_config(&config(&url).with_tls(tls)).unwrap()).unwrap();
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority.issue_expired(&["localhost"]), None);
    let tls = Tls::new().with_ca_pem(authority.pem());
    assert_refused(&client(&server, tls), &["expired", "clock"]);
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_right_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for version in ["TLSv1.2", "TLSv1.3"] {
        let identity = authority.issue(&["localhost"]);
        let server = Server::start_tls_with(&identity, Some(&clients), &["--tls-protocols", version]);
        let tls = Tls::new().with_ca_pem(authority.pem());
        assert_refused(&client(&server, tls.clone()), &["`tls_cert`", "`tls_key`"]);

        let stranger = Authority::new().issue(&["me"]);
        let wrong = tls.clone().with_client_certificate(stranger.certificate, stranger.key);
        assert_refused(&client(&server, wrong), &["`tls_cert`"]);

        let known = clients.issue(&["me"]);
        turns(&client(&server, tls.with_client_certificate(known.certificate, known.key))).unwrap();
    }
}

#[test]
fn a_plain_port_is_told_from_one_with_tls() {
    let (server, authority) = server();
    // It takes the greeting of TLS for a long word, and waits for its end, or says that it is no command.
    let plain = format!("rediss://127.0.0.1:{}", server.port());
    let tls = Tls::new().with_ca_pem(authority.pem());
    let config = config(&plain).with_tls(tls).with_connect_timeout(Duration::from_secs(1));
    let client = Client::from_config(&config).unwrap();
    for error in [client.ping_blocking().unwrap_err(), block_on(client.ping()).unwrap_err()] {
        assert!(
            error.to_string().contains("speaks no TLS") && error.to_string().contains("`redis://`"),
            "{error}"
        );
    }

    let with_tls = Client::connect(&format!("redis://127.0.0.1:{}", server.tls_port())).unwrap();
    for error in [with_tls.ping_blocking().unwrap_err(), block_on(with_tls.ping()).unwrap_err()] {
        assert!(
            error.to_string().contains("speaks TLS") && error.to_string().contains("`rediss://`"),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// A hint is for the first contact. Later on, a server that is gone is just that.
#[test]
fn a_server_that_goes_away_is_an_outage_without_advice() {
    let (server, authority) = server();
    let short = Duration::from_secs(1);
    let config = config(&server.tls_url()).with_tls(Tls::new().with_ca_pem(authority.pem()));
    let client =
        Client::from_config(&config.with_connect_timeout(short).with_response_timeout(short)).unwrap();
    eventually("a first turn", || turns(&client).is_ok());
    let outage = || {
        for error in [client.ping_blocking().unwrap_err(), block_on(client.ping()).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
            assert!(error.is_retryable() && !error.to_string().contains("redis://"), "{error}");
        }
    };
    // It takes connections, and answers no greeting.
    server.pause();
    outage();
    server.resume();
    server.kill();
    outage();
    server.restart();
    eventually("the server is back", || turns(&client).is_ok());
}

#[test]
fn what_can_not_be_read_is_said_when_the_client_is_made() {
    let (server, authority) = server();
    let (mine, other) = (authority.issue(&["me"]), authority.issue(&["you"]));
    let tls = || Tls::new().with_ca_pem(authority.pem());
    let hidden = server.files().join("hunter2.pem");
    for (tls, words) in [
        (Tls::new().with_ca_pem("hunter2"), "`tls_ca` has no certificate"),
        (Tls::new().with_ca_pem(""), "`tls_ca` has no certificate"),
        (Tls::new().with_ca_pem(mine.key.clone()), "`tls_ca` has no certificate"),
        (Tls::new().with_ca_file(&hidden), "the file of `tls_ca` can't be read"),
        (tls().with_client_certificate("hunter2", mine.key.clone()), "`tls_cert` has no certificate"),
        (tls().with_client_certificate(mine.certificate.clone(), "hunter2"), "`tls_key` has no private key"),
        (
            tls().with_client_certificate(mine.certificate.clone(), other.key),
            "is not that of the certificate",
        ),
        (tls().with_client_certificate_files(&hidden, &hidden), "the file of `tls_cert` can't be read"),
        (tls().with_server_name("hunter2 zebra"), "`tls_server_name` is neither"),
        (tls().with_server_name(""), "`tls_server_name` is neither"),
    ] {
        let shown = format!("{tls:?}");
        let error = Client::from_config(&config(&server.tls_url()).with_tls(tls)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(words), "{error} in place of {words}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(!shown.contains("PRIVATE") && !shown.contains("BEGIN"), "{shown}");
    }
}

#[test]
fn a_url_names_the_files_and_the_name() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::start_tls(&authority.issue(&["redis.internal"]), Some(&clients));
    let mine = clients.issue(&["me"]);
    let file = |name: &str, text: &str| {
        std::fs::write(server.files().join(name), text).unwrap();
        server.files().join(name).display().to_string().replace('&', "%26")
    };
    let url = format!(
        "{}?tls_ca={}&tls_cert={}&tls_key={}&tls_server_name=redis.internal",
        server.tls_url(),
        file("the&ca", &authority.pem()),
        file("me.pem", &mine.certificate),
        file("me.key", &mine.key),
    );
    turns(&Client::connect(&url).unwrap()).unwrap();
}
