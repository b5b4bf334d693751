//! The global client. A process has only one, so each case runs in a process of its own.

use dspinlock::{Client, DSpinlock, ErrorKind, init};
use dspinlock_testkit::Server;
use dspinlock_tests::block_on;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Runs the test `name` in a process of its own with `DSPINLOCK_URL` set to `url` or unset, and returns true in that process.
fn alone(name: &str, url: Option<OsString>) -> bool {
    dspinlock_tests::alone(&format!("environment::{name}"), "DSPINLOCK_URL", url).is_none()
}

fn turn(name: &str) -> dspinlock::Result<()> {
    DSpinlock::new(name).acquire_blocking()?.release_blocking()?;
    block_on(async { DSpinlock::new(name).acquire().await?.release().await })
}

#[test]
fn the_url_in_the_environment_is_used() {
    let server = Server::start();
    if alone("the_url_in_the_environment_is_used", Some(server.url().into())) {
        turn("from the environment").unwrap();
    } else {
        let found = server.command(&["DBSIZE"]).int();
        assert_eq!(found, Some(2), "a record and its fence");
    }
}

/// The text of an error says which of the places to correct.
#[test]
fn an_error_names_the_variable_that_the_address_came_from() {
    let name = "an_error_names_the_variable_that_the_address_came_from";
    if alone(name, Some("redis://:hunter2@127.0.0.1:1/0".into())) {
        let text = turn("away").unwrap_err().to_string();
        assert!(text.starts_with("lock \"away\": redis at 127.0.0.1:1/0 (from DSPINLOCK_URL): "), "{text}");
        assert!(text.contains("start the server, or correct the address"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
    }
}

/// The default may have a server: without one at this port it says that nobody gave an address.
#[test]
fn without_the_environment_an_error_says_that_the_variable_is_not_set() {
    let name = "without_the_environment_an_error_says_that_the_variable_is_not_set";
    if alone(name, None) {
        // No server has so many databases.
        let config = dspinlock::Config::from_env().unwrap().with_db(4_000_000);
        let text = Client::from_config(&config).unwrap().ping_blocking().unwrap_err().to_string();
        let start = "redis at 127.0.0.1:6379/4000000 (the default, since DSPINLOCK_URL is not set): ";
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn memory_in_the_environment_needs_no_server() {
    if alone("memory_in_the_environment_needs_no_server", Some("memory://".into())) {
        turn("in memory").unwrap();
        assert!(dspinlock::current_client().unwrap().is_memory());
        let _held = DSpinlock::new("the same store").acquire_blocking().unwrap();
        assert!(DSpinlock::new("the same store").try_acquire_blocking().unwrap().is_none());
    }
}

#[test]
fn without_the_environment_it_is_the_local_server() {
    if alone("without_the_environment_it_is_the_local_server", None) {
        let shown = format!("{:?}", dspinlock::current_client().unwrap());
        assert!(shown.contains("127.0.0.1:6379/0"), "{shown}");
    }
}

#[test]
fn a_wrong_url_is_an_error_of_the_call_that_needs_it() {
    if alone("a_wrong_url_is_an_error_of_the_call_that_needs_it", Some("http://:hunter2@host".into())) {
        let refused = turn("wrong").unwrap_err();
        assert_eq!((refused.kind(), refused.key()), (ErrorKind::Config, Some("\"wrong\"")));
        let text = refused.to_string();
        assert!(
            text.contains("DSPINLOCK_URL") && text.contains("redis://") && !text.contains('\n'),
            "{text}"
        );
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        // A program can still choose a client.
        init(Client::memory()).unwrap();
        turn("right").unwrap();
    }
}

#[test]
fn an_empty_url_is_an_error_that_names_the_variable() {
    if alone("an_empty_url_is_an_error_that_names_the_variable", Some("".into())) {
        let refused = turn("empty").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config);
        let text = refused.to_string();
        assert!(
            text.contains("DSPINLOCK_URL") && text.contains("empty") && text.contains("redis://"),
            "{text}"
        );
    }
}

#[test]
fn a_malformed_url_is_an_error_that_names_the_variable_without_the_url() {
    let name = "a_malformed_url_is_an_error_that_names_the_variable_without_the_url";
    if alone(name, Some("redis://:Aa@Hunter2#Cc@host/0".into())) {
        let refused = turn("malformed").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config);
        let text = refused.to_string();
        assert!(text.contains("DSPINLOCK_URL") && text.contains("%23"), "{text}");
        assert!(!format!("{refused:?}").to_lowercase().contains("hunter"), "{refused:?}");
    }
}

#[test]
fn a_url_that_is_not_utf8_is_an_error() {
    if alone("a_url_that_is_not_utf8_is_an_error", Some(OsString::from_vec(b"redis://\xff".to_vec()))) {
        let refused = turn("no text").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config);
        assert!(refused.to_string().contains("DSPINLOCK_URL"), "{refused}");
    }
}

#[test]
fn init_overrides_the_environment_and_works_once() {
    if alone("init_overrides_the_environment_and_works_once", Some("http://nobody".into())) {
        init(Client::memory()).unwrap();
        turn("by init").unwrap();
        assert_eq!(init(Client::memory()).unwrap_err().kind(), ErrorKind::Misuse);
    }
}

#[test]
fn init_after_the_first_use_is_an_error() {
    if alone("init_after_the_first_use_is_an_error", Some("memory://".into())) {
        turn("first").unwrap();
        let refused = init(Client::memory()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misuse);
        assert!(refused.to_string().contains("before the first lock"), "{refused}");
    }
}
