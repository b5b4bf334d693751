//! `ls`, `show`, `why` and `watch`.

use crate::{ELSEWHERE, PATIENCE, cli, client, on, run, set, until};
use dspinlock::DSpinlock;
use dspinlock_testkit::{Child, Server};
use std::time::Duration;

#[test]
fn ls_lists_held_and_computed_locks_with_those_that_wait() {
    let server = Server::start();
    let ours = client(&server);
    let held = ours.lock(17).namespace("billing");
    let guard = held.acquire_blocking().unwrap();
    ours.lock("done").acquire_blocking().unwrap().release_blocking().unwrap();
    server.command(&["SET", "dspinlock,secret", "hunter2"]);
    server.command(&["RPUSH", "dspinlock,list", "hunter2"]);
    server.command(&["SET", "unrelated", ""]);
    let other = client(&server).lock(17).namespace("billing").wait(PATIENCE);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.acquire_blocking().unwrap().release_blocking().unwrap());
        let wait = format!("{{{}}}:wait", held.record_key().unwrap());
        until("it is noted as waiting", || server.command(&["SCARD", &wait]).int() == Some(1));

        let listed = on(&server, &["ls", "--json"]).json();
        let locks = listed["locks"].as_array().unwrap();
        assert_eq!(locks.len(), 2, "{listed:#}");
        assert_eq!(
            (locks[0]["key"].as_str(), locks[0]["state"].as_str()),
            (Some("dspinlock,billing,17"), Some("held"))
        );
        assert_eq!(
            (&locks[0]["waiting"], &locks[0]["holder"]["pid"]),
            (&1.into(), &std::process::id().into())
        );
        assert!((1..=10_000).contains(&locks[0]["life_ms"].as_u64().unwrap()));
        assert_eq!((locks[1]["state"].as_str(), locks[1]["waiting"].as_u64()), (Some("computed"), Some(0)));
        assert_eq!((&listed["foreign"], &listed["complete"]), (&2.into(), &true.into()));

        let keys = |args: &[&str]| {
            let listed = on(&server, &[&["ls", "--json"], args].concat()).json();
            listed["locks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|lock| lock["key"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&["--state", "held"]), ["dspinlock,billing,17"]);
        assert_eq!(keys(&["--waited"]), ["dspinlock,billing,17"]);
        assert_eq!(keys(&["--state", "computed"]).len(), 1);
        assert_eq!(keys(&["--namespace", "billing"]), ["dspinlock,billing,17"]);
        assert_eq!(keys(&["--match", "dspinlock,bill*"]), ["dspinlock,billing,17"]);
        assert_eq!(keys(&["--prefix", "staging"]), [""; 0]);

        let text = on(&server, &["ls"]);
        assert!(
            text.out.starts_with("STATE") && text.out.contains("2 keys that match hold something"),
            "{text:?}"
        );
        assert!(!text.out.contains('\x1b') && !text.out.contains("hunter2"), "{text:?}");
        assert!(
            run(cli(&server.url(), &["ls", "--color", "always"]).env("NO_COLOR", "1")).out.contains('\x1b')
        );
        guard.release_blocking().unwrap();
        waiter.join().unwrap();
    });
    assert_eq!(server.calls("keys"), 0);
}

#[test]
fn show_names_who_holds_and_who_waits() {
    let server = Server::start();
    let ours = client(&server);
    let lock = |of: &dspinlock::Client| -> DSpinlock { of.lock("x").namespace("n").wait(PATIENCE) };
    let guard = lock(&ours).acquire_blocking().unwrap();
    let key = guard.record_key().to_owned();
    let other = client(&server);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lock(&other).acquire_blocking().unwrap().release_blocking().unwrap());
        until("it is noted as waiting", || {
            on(&server, &["show", &key, "--json"]).json()["waiters"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
        });
        let shown = on(&server, &["show", "--value", "x", "--namespace", "n", "--json"]).json();
        assert_eq!(
            shown["waiters"][0]["pid"],
            std::process::id(),
            "the library's waiter has a name: {shown:#}"
        );
        assert_eq!(
            shown["last_token_of_slot"].as_u64().map(|last| last >= guard.fencing_token()),
            Some(true)
        );
        let why = on(&server, &["why", &key, "--observe", "10ms"]);
        assert_eq!(why.code, Some(0), "{why:?}");
        assert!(why.out.contains(&format!("Process {} on ", std::process::id())), "{why:?}");
        assert!(why.out.contains("1 process is noted as waiting for it: "), "{why:?}");
        assert!(why.out.contains("Within 10ms its lease was not renewed"), "{why:?}");
        guard.abandon_blocking().unwrap();
        waiter.join().unwrap();
    });
    let free = on(&server, &["show", "dspinlock,n,none"]);
    assert_eq!((free.code, free.out.contains("free")), (Some(1), true), "{free:?}");
}

#[test]
fn show_knows_values_and_notes() {
    let server = Server::start();
    let ours = client(&server);
    let lock = || ours.lock("v").namespace("n");
    lock().get_or_compute_blocking(|| Ok::<_, dspinlock::Error>(17_u32)).unwrap();
    let shown = on(&server, &["show", "--value", "v", "--namespace", "n", "--json"]).json();
    assert_eq!(
        (&shown["state"], &shown["value"]["codec"]),
        (&"computed".into(), &"json".into()),
        "{shown:#}"
    );
    assert_eq!((&shown["value"]["served"], &shown["value"]["schema"]), (&true.into(), &"u32".into()));
    ours.lock("w")
        .namespace("n")
        .get_or_compute_blocking(|| Err::<u32, _>(std::io::Error::other("no disk left")))
        .unwrap_err();
    let failed = on(&server, &["why", "--value", "w", "--namespace", "n"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.out.contains("no disk left"), "{failed:?}");
}

#[test]
fn why_follows_who_waits_for_whom() {
    let server = Server::start();
    let turn = |place: &str| format!("0b8e1a4e@{place},2026-01-31T23:59:59.000123+00:00,0");
    for (key, holder, waiter) in
        [("a", "web-1/1/f", "web-9/9"), ("b", "web-2/2/g", "web-1/1"), ("c", "web-1/1", "web-2/2")]
    {
        set(&server, &format!("dspinlock,{key}"), &turn(holder));
        server.command(&["SADD", &format!("{{dspinlock,{key}}}:wait"), &format!("a1@{waiter}")]);
    }
    let why = on(&server, &["why", "dspinlock,a", "--json"]).json();
    assert_eq!(why["chain"]["waits"][0]["key"], "dspinlock,b");
    assert_eq!(why["chain"]["holder_also_holds"][0], "dspinlock,c");
    assert_eq!(why["chain"]["waits"][1]["key"], "dspinlock,c");
    assert_eq!(why["chain"]["is_cycle"].as_bool(), Some(true), "{why:#}");
    assert!(on(&server, &["why", "dspinlock,a", "--no-scan"]).out.lines().count() < 6);
}

#[test]
fn a_foreign_key_is_told_and_not_shown() {
    let server = Server::start();
    server.command(&["SET", "dspinlock,x", "hunter2"]);
    server.command(&["RPUSH", "dspinlock,y", "hunter2"]);
    for command in ["show", "why"] {
        for (key, what) in [("dspinlock,x", "7 bytes"), ("dspinlock,y", "a list")] {
            let ran = on(&server, &[command, key]);
            assert_eq!(ran.code, Some(65), "{ran:?}");
            assert!(ran.out.contains(what) && !ran.out.contains("hunter2"), "{ran:?}");
        }
    }
}

#[test]
fn watch_writes_a_line_for_each_change() {
    let server = Server::start();
    set(&server, "dspinlock,x", &format!("{ELSEWHERE}0"));
    let mut watch = Child::start(&mut cli(&server.url(), &["watch", "--json", "--every", "100ms"])).unwrap();
    let mut next = || {
        let line = watch.hear(PATIENCE).unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        (event["change"].as_str().unwrap().to_owned(), event["holder"].as_str().unwrap().to_owned())
    };
    let by = |word: &str, holder: &str| (word.to_owned(), holder.to_owned());
    assert_eq!(next(), by("seen", "web-1/77/jobs::nightly"));
    set(&server, "dspinlock,x", &format!("{ELSEWHERE}1"));
    assert_eq!(next(), by("computed", "web-1/77/jobs::nightly"));
    let ours = client(&server);
    let lock = ours.lock("y").namespace("n").lease(Duration::from_secs(60));
    let guard = lock.acquire_blocking().unwrap();
    let (change, holder) = next();
    assert!(change == "taken" && holder.ends_with(&std::process::id().to_string()), "{holder}");
    guard.abandon_blocking().unwrap();
    assert_eq!(next().0, "freed");
}
