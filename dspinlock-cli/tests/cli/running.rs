//! `run`: exit codes, signals, and the lock around the command.

use crate::{PATIENCE, cli, client, get, on, run, until};
use dspinlock::Client;
use dspinlock_testkit::{Child, Server};
use std::process::Command;
use std::time::{Duration, Instant};

/// Less than the 20 seconds after which the shells of these tests end by themselves.
const SOON: Duration = Duration::from_secs(10);

/// The record of `run --key k`.
fn key() -> String {
    Client::memory().lock("k").namespace("run").record_key().unwrap().to_owned()
}

/// The arguments of `run` with a shell.
fn sh<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [&["run", "--key", "k"], options, &["--", "sh", "-c", script]].concat()
}

fn start(server: &Server, options: &[&str], script: &str) -> Child {
    Child::start(&mut cli(&server.url(), &sh(options, script))).unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn code(child: &mut Child) -> Option<i32> {
    let ended = child.wait(PATIENCE).unwrap();
    ended.status.code()
}

#[test]
fn ends_as_the_command_ends_and_gives_the_lock_back() {
    let server = Server::start();
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let ran = on(&server, &sh(&[], script));
        assert_eq!((ran.code, get(&server, &key())), (Some(code), None), "{script}: {ran:?}");
    }
    assert_eq!(on(&server, &["run", "--key", "k", "--", "/no/such/program"]).code, Some(127));
    assert_eq!(on(&server, &["run", "--key", "k", "--", "/dev/null"]).code, Some(126));
    assert_eq!(get(&server, &key()), None);
}

#[test]
fn the_command_has_the_lock_and_a_token_that_rises() {
    let server = Server::start();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut child = start(&server, &[], "echo $DSPINLOCK_FENCING_TOKEN; read -r word; exit 5");
        tokens.push(child.hear(PATIENCE).unwrap().parse::<u64>().unwrap());
        let record = get(&server, &key()).unwrap();
        assert!(record.ends_with(",0") && record.contains(&format!("/{}/sh,", child.id())), "{record}");
        let other = on(&server, &sh(&["--wait", "0s"], "echo ran"));
        assert_eq!((other.code, &*other.out), (Some(75), ""), "{other:?}");
        child.say("on").unwrap();
        assert_eq!(code(&mut child), Some(5));
    }
    assert!(tokens[0] > 0 && tokens[0] < tokens[1], "{tokens:?}");
}

#[test]
fn signals_reach_the_command_and_all_that_it_started() {
    let server = Server::start();
    for name in ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT"] {
        // The inner shell is the command's child, and in its group. It ends by itself, should no signal reach it.
        let script = format!(
            "trap 'echo got it; exit 7' {name}; sh -c 'trap \"exit 0\" {name}; echo ready; for i in $(seq 400); do sleep 0.05; done'; exit 9"
        );
        let mut child = start(&server, &[], &script);
        assert_eq!(child.hear(PATIENCE).unwrap(), "ready", "{name}");
        signal(&child, name);
        assert_eq!(child.hear(SOON).unwrap(), "got it", "{name}");
        assert_eq!(code(&mut child), Some(7), "{name}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_the_lock() {
    let server = Server::start();
    let holder = client(&server).lock("k").namespace("run").acquire_blocking().unwrap();
    let mut child = start(&server, &[], "echo ran");
    let wait = format!("{{{}}}:wait", key());
    until("it waits", || server.command(&["SCARD", &wait]).int() == Some(1));
    signal(&child, "TERM");
    let ended = child.wait(PATIENCE).unwrap();
    assert_eq!((ended.status.code(), &*ended.output), (Some(143), ""));
    holder.release_blocking().unwrap();
}

#[test]
fn waits_for_its_turn_or_skips_it() {
    let server = Server::start();
    let mut first = start(&server, &[], "echo first; read -r word");
    first.hear(PATIENCE).unwrap();
    let skipped = on(&server, &sh(&["--skip"], "echo ran"));
    assert_eq!((skipped.code, &*skipped.out), (Some(0), ""));
    assert!(skipped.err.contains("is held by") && skipped.err.contains("not run"), "{skipped:?}");
    assert_eq!(on(&server, &sh(&["--skip", "--quiet"], "echo ran")).err, "");
    let outcome = on(&server, &sh(&["--skip", "--json"], "echo ran"));
    let outcome: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(outcome["outcome"], "skipped", "{outcome}");
    let mut second = start(&server, &["--wait", "30s"], "echo second");
    let wait = format!("{{{}}}:wait", key());
    until("the second one waits", || {
        server.command(&["SCARD", &wait]).int().is_some_and(|number| number > 0)
    });
    first.say("on").unwrap();
    assert_eq!(code(&mut first), Some(0));
    assert_eq!(second.hear(PATIENCE).unwrap(), "second");
    assert_eq!(code(&mut second), Some(0));
    assert_eq!(server.command(&["EXISTS", &wait]).int(), Some(0), "nobody is noted as waiting any more");
}

#[test]
fn runs_once_in_a_period_counted_from_its_start() {
    let server = Server::start();
    let once = |script| on(&server, &sh(&["--once-per", "1h"], script));
    assert_eq!(once("exit 3").code, Some(3));
    assert_eq!(get(&server, &key()), None, "a failure is not remembered");
    let ran = once("sleep 0.3; echo ran");
    assert_eq!((ran.code, &*ran.out), (Some(0), "ran\n"));
    let life = server.command(&["PTTL", &key()]).int().unwrap();
    assert!((1..=3_600_000 - 300).contains(&life), "it counts from the start: {life}");
    let again = once("echo ran");
    assert_eq!((again.code, &*again.out), (Some(0), ""), "{again:?}");
    assert!(again.err.contains("was done by"), "{again:?}");
    assert_eq!(on(&server, &["forget", &key()]).code, Some(0));
    assert_eq!(once("echo ran").out, "ran\n");
}

#[test]
fn the_lease_is_renewed_as_long_as_the_command_runs() {
    let server = Server::start();
    let mut child = start(&server, &["--lease", "600ms"], "echo ready; read -r word");
    child.hear(PATIENCE).unwrap();
    let life = || server.command(&["PTTL", &key()]).int().unwrap_or_default();
    let mut before = life();
    let mut renewals = 0;
    until("it was renewed three times", || {
        let now = life();
        assert!(now > 0, "it was lost");
        renewals += u32::from(now > before);
        before = now;
        renewals == 3
    });
    child.say("on").unwrap();
    assert_eq!(code(&mut child), Some(0));
}

#[test]
fn a_lost_lock_ends_the_command_or_not() {
    let server = Server::start();
    let lease = ["--lease", "600ms"];
    // It ignores the first signal, and has a child that would go on.
    let script = "trap '' TERM; sh -c 'echo ready; for i in $(seq 400); do sleep 0.05; done'";
    let mut child = start(&server, &[&lease[..], &["--grace", "100ms"]].concat(), script);
    child.hear(PATIENCE).unwrap();
    assert_eq!(on(&server, &["break", &key(), "--yes"]).code, Some(0));
    let broken = Instant::now();
    // It waits for the inner shell, too, which has the same standard output.
    let ended = child.wait(PATIENCE).unwrap();
    assert!(broken.elapsed() < SOON, "the inner shell went on without the lock");
    assert_eq!(ended.status.code(), Some(74), "{ended}");
    assert!(ended.errors.contains("was lost after"), "{ended}");

    let mut child = start(
        &server,
        &[&lease[..], &["--on-lost", "continue"]].concat(),
        "echo ready; read -r word; exit 4",
    );
    child.hear(PATIENCE).unwrap();
    server.command(&["DEL", &key()]);
    // Another holder shows that the first one has nothing any more.
    let other = client(&server).lock("k").namespace("run").acquire_blocking().unwrap();
    child.say("on").unwrap();
    let ended = child.wait(PATIENCE).unwrap();
    assert_eq!(ended.status.code(), Some(4), "{ended}");
    assert!(other.is_held() && get(&server, &key()).is_some(), "it gave back what is not its own");
    other.release_blocking().unwrap();
}

#[test]
fn says_what_is_wrong_with_server_and_arguments() {
    let server = Server::start();
    let url = server.url();
    drop(server);
    let gone = run(cli(&url, &["ls"]).env("DSPINLOCK_RESPONSE_TIMEOUT", "300ms"));
    assert_eq!(gone.code, Some(69), "{gone:?}");
    assert_eq!(run(&mut cli("http://user:hunter2@x", &["ls"])).code, Some(78));
    assert_eq!(run(&mut cli("memory://", &["ls"])).code, Some(78));
    assert_eq!(run(&mut cli(&url, &["ls", "--no-such-option"])).code, Some(2));
    let server = Server::start_with(&["--requirepass", "right"]);
    let wrong = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let refused = run(&mut cli(&wrong, &["show", "dspinlock,x"]));
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(!refused.err.contains("hunter2"), "{refused:?}");
    let long = on(&server, &["run", "--key", "k", "--max-hold", "1us", "--", "true"]);
    assert_eq!(long.code, Some(78), "{long:?}");
}
