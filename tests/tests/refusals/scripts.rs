//! Servers that let nobody send them a script's source.

use crate::{APIS, PATIENCE};
use dspinlock::{Client, Config, Error, ErrorKind, Script, dspinlock};
use dspinlock_testkit::{Proxy, Server, Verdict};
use dspinlock_tests::{Rig, ms};
use std::thread;

/// A client whose user may do anything but this.
fn client(server: &Server, denied: &[&str]) -> Client {
    let user = ["ACL", "SETUSER", "limited", "on", ">right", "~*", "&*", "+@all"];
    assert!(server.command(&[&user, denied].concat()).is_ok());
    let config = Config::new().with_port(server.port()).with_username("limited").with_password("right");
    let config = config.with_connect_timeout(PATIENCE).with_response_timeout(PATIENCE);
    Client::from_config(&config).unwrap()
}

#[dspinlock(key = name, namespace = "", cached, client = client)]
fn value(client: &Client, name: &str, length: usize) -> Result<String, Error> {
    Ok("v".repeat(length))
}

/// Each way to the server, and most scripts: in blocking and async calls of the caller's own, and from the library's thread.
fn exercise(client: &Client) {
    for api in APIS {
        let rig = Rig { client: client.clone(), api };
        let lock = || rig.lock("taken").sleep(ms(5)).wait(PATIENCE);
        let guard = rig.acquire(&lock()).unwrap();
        assert!(rig.inspect(&lock()).unwrap().is_some());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.acquire(&lock()).unwrap());
            rig.release(guard).unwrap();
            rig.abandon(waiter.join().unwrap()).unwrap();
        });
        assert!(!rig.forget(&lock()).unwrap());
    }
    for length in [10, 1 << 20] {
        let name = format!("{length} bytes");
        for _ in 0..2 {
            assert_eq!(value(client, &name, length).unwrap().len(), length);
        }
    }
}

/// How many scripts were loaded. Redis 6.2 counts no subcommands.
fn loads(server: &Server) -> u64 {
    server.calls("script|load") + server.calls("script")
}

fn load_by_hand(server: &Server) {
    for script in Script::all() {
        let loaded = server.command(&["SCRIPT", "LOAD", script.source()]);
        assert_eq!(loaded.text(), Some(script.digest()), "{}", script.name());
    }
}

#[test]
fn scripts_that_were_loaded_by_hand_are_all_that_is_needed() {
    let server = Server::start();
    load_by_hand(&server);
    exercise(&client(&server, &["-eval", "-script"]));
    assert_eq!(loads(&server), Script::all().len() as u64, "by nobody else");
    assert_eq!(server.calls("eval"), 0);
}

#[test]
fn a_script_is_loaded_where_its_source_may_not_be_run() {
    let server = Server::start();
    exercise(&client(&server, &["-eval"]));
    assert_eq!(server.calls("eval"), 0);
    let loaded = loads(&server);
    assert!((5..=Script::all().len() as u64).contains(&loaded), "each once, and not {loaded} times");
}

/// The command may be unknown in place of forbidden.
#[test]
fn a_script_is_loaded_where_eval_is_unknown() {
    let server = Server::start_with(&["--rename-command", "EVAL", ""]);
    exercise(&Client::connect(&server.url()).unwrap());
}

#[test]
fn without_any_way_to_load_scripts_the_error_says_what_to_do() {
    let server = Server::start();
    let client = client(&server, &["-eval", "-script"]);
    for api in APIS {
        let rig = Rig { client: client.clone(), api };
        let error = rig.acquire(&rig.lock("taken")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
        assert!(!error.is_retryable(), "{error}");
        let text = error.to_string();
        for says in ["'eval'", "the script `time`", "SCRIPT LOAD", "`+eval`", "`+script|load`", "Script::all"]
        {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
    load_by_hand(&server);
    exercise(&client);
}

/// The server's time is read by scripts alone, as a proxy may refuse the plain command.
#[test]
fn a_proxy_may_refuse_the_plain_command_for_the_time() {
    let server = Server::start();
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), |words| {
        if words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"TIME")) {
            words[0] = b"REFUSED".to_vec();
        }
        Verdict::Pass
    });
    exercise(&Client::connect(&proxy.url()).unwrap());
}
