//! Cases that only a server can have.

use super::*;
use dspinlock_testkit::Server;

/// A store on a server of its own.
pub(super) fn rig(by_async: bool) -> Rig {
    with_server(by_async).0
}

/// The same by the door of a caller's own task, over the connection of its runtime.
pub(super) fn rig_of_a_task() -> Rig {
    let rig = Rig { here: true, ..rig(true) };
    // The library's thread serves the first requests, while that connection is opened.
    (0..20).for_each(|_| rig.call(&Ping));
    rig
}

fn with_server(by_async: bool) -> (Rig, Arc<Server>) {
    on(Server::start(), by_async)
}

fn on(server: Server, by_async: bool) -> (Rig, Arc<Server>) {
    let server = Arc::new(server);
    let client = crate::Client::connect(&server.url()).unwrap();
    let stranger = Arc::clone(&server);
    let put = move |key: &str, value: &[u8], life: Option<Duration>| {
        assert!(stranger.command(&[b"SET", key.as_bytes(), value]).is_ok());
        if let Some(life) = life {
            stranger.command(&["PEXPIRE", key, &life.as_millis().to_string()]);
        }
    };
    let rig = Rig {
        name: "Redis",
        store: Arc::clone(&client.core().store),
        key: "example".to_owned(),
        names: names("example"),
        by_async: by_async.then(runtime),
        here: false,
        put: Box::new(put),
    };
    (rig, server)
}

#[test]
fn another_type_is_reported_and_stays() {
    let (rig, server) = with_server(false);
    server.command(&["RPUSH", &rig.names.record, "x"]);
    assert_eq!(rig.acquire(&tag(1)), Acquired::WrongType("list".into()));
    assert_eq!(rig.release(&tag(1), None), Released::WrongType("list".into()));
    assert!(!rig.abandon(&tag(1)));
    assert_eq!(rig.call(&Read(&rig.names)), Found::WrongType("list".into()));
    for extent in [Extent::Whole(1), Extent::Beginning] {
        assert_eq!(rig.call(&Hit { names: &rig.names, extent }), Seen { record: None, value: None });
    }
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::WrongType("list".into()));
    assert_eq!(server.command(&["LLEN", &rig.names.record]).int(), Some(1));
}

/// The bytes that the server has sent so far.
fn sent(server: &Server) -> u64 {
    server.info("stats")["total_net_output_bytes"].parse().unwrap()
}

#[test]
fn a_string_too_long_for_a_record_is_reported_and_not_read() {
    const BYTES: i64 = 300 << 20;
    let (rig, server) = with_server(false);
    let at = (BYTES - 1).to_string();
    server.command(&["SETRANGE", &rig.names.record, &at, "1"]);
    let before = sent(&server);
    let found = format!("string of {BYTES} bytes");
    let fetch = Some(Fetch::default());
    assert_eq!(rig.acquire(&tag(1)), Acquired::WrongType(found.clone()));
    assert_eq!(
        rig.call(&Acquire { fetch, ..acquire(&rig.names, &tag(1)) }),
        Acquired::WrongType(found.clone())
    );
    assert_eq!(rig.release(&tag(1), None), Released::WrongType(found.clone()));
    assert!(!rig.abandon(&tag(1)));
    assert!(!rig.call(&Fail { names: &rig.names, tag: &tag(1), note: b"", life: S }));
    let renew = RenewOne { names: &rig.names, tag: &tag(1), life: S };
    assert_eq!(rig.call(&Renew(vec![renew])), [Some(false)]);
    assert_eq!(rig.call(&Read(&rig.names)), Found::WrongType(found.clone()));
    assert_eq!(rig.call(&Peek(&rig.names)).0, Found::WrongType(found.clone()));
    assert_eq!(rig.call(&Forget(&rig.names)), Forgotten::WrongType(found));
    let value = Sent::With(Bytes::new());
    let tag = tag(1);
    let release = publish(&rig.names, &tag, &value, S);
    assert!(matches!(rig.call(&Refresh { release, seen: b"seen" }), Released::WrongType(_)));
    assert!(sent(&server) - before < 100_000, "{} bytes", sent(&server) - before);
    assert_eq!(server.command(&["STRLEN", &rig.names.record]).int(), Some(BYTES), "it stays");
}

#[test]
fn a_long_string_beside_the_record_is_not_read() {
    let (rig, server) = with_server(false);
    let names = &rig.names;
    rig.granted(&tag(1));
    rig.release(&tag(1), Some(60 * S));
    let at = (300 << 20).to_string();
    for key in [names.value(), names.error(), names.refresh(), names.beside("wait")] {
        server.command(&["SETRANGE", &key, &at, "1"]);
    }
    let before = sent(&server);
    let fetch = Some(Fetch::default());
    let fetches =
        |tag: &Tag| rig.call(&Acquire { fetch, waiting: Some("me"), relock: false, ..acquire(names, tag) });
    assert!(matches!(fetches(&tag(2)), Acquired::Held { value: Some(Excerpt { whole: false, .. }), .. }));
    rig.call(&Peek(names));
    rig.call(&ReadValue(names));
    rig.call(&Hit { names, extent: Extent::Beginning });
    assert!(sent(&server) - before < 200_000, "{} bytes", sent(&server) - before);
}

/// A turn runs its course whatever a stranger puts beside its record.
#[test]
fn another_type_beside_the_record_makes_no_operation_fail() {
    let (rig, server) = with_server(false);
    let names = &rig.names;
    let strangers: [&[&str]; 3] = [&["SET", "", "text"], &["RPUSH", "", "x"], &["HSET", "", "field", "x"]];
    for (at, put) in (1_u8..).zip(strangers) {
        for key in [names.value(), names.error(), names.refresh(), names.beside("wait")] {
            let mut words = put.to_vec();
            words[1] = &key;
            server.command(&["DEL", &key]);
            assert!(!matches!(server.command(&words), dspinlock_testkit::Reply::Error(_)), "{words:?}");
        }
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|turn| tag(at * 8 + turn));
        let fetch = Some(Fetch::default());
        let fetches = |tag: &Tag| {
            rig.call(&Acquire { fetch, waiting: Some("me"), relock: false, ..acquire(names, tag) })
        };
        assert!(is_granted(&fetches(&first)), "{put:?}");
        assert!(matches!(fetches(&second), Acquired::Held { .. }), "{put:?}");
        let renew = RenewOne { names, tag: &first, life: 20 * S };
        assert_eq!(rig.call(&Renew(vec![renew])), [Some(true)]);
        assert_eq!(rig.release(&first, Some(30 * S)), Released::Done { others: 0 }, "{put:?}");
        assert_eq!(rig.raw().unwrap(), first.record(State::Computed).as_bytes());
        assert!(matches!(fetches(&second), Acquired::Held { .. }), "{put:?}");
        assert!(matches!(rig.call(&Peek(names)).0, Found::Held { .. }), "{put:?}");
        rig.call(&ReadValue(names));
        for extent in [Extent::Whole(1), Extent::Beginning] {
            let seen = rig.call(&Hit { names, extent });
            assert_eq!(seen.record.unwrap(), first.record(State::Computed).as_bytes(), "{put:?}");
            assert_eq!(seen.value.is_some(), put[0] == "SET", "{put:?}");
        }
        let value = Sent::With(Bytes::from_static(b"value"));
        let release = publish(names, &second, &value, 30 * S);
        let refreshed = rig.call(&Refresh { release, seen: first.record(State::Computed).as_bytes() });
        assert_eq!(refreshed, Released::Done { others: 0 }, "{put:?}");
        rig.granted(&third);
        assert_eq!(
            rig.call(&publish(names, &third, &value, 30 * S)),
            Released::Done { others: 0 },
            "{put:?}"
        );
        assert_ne!(server.command(&["TYPE", &names.beside("wait")]).text(), Some("none"), "a stranger's");
        rig.granted(&fourth);
        assert!(rig.call(&Fail { names, tag: &fourth, note: b"note", life: S }));
        assert_eq!(rig.call(&Forget(names)), Forgotten::Done(false));
    }
}

#[test]
fn a_server_without_memory_takes_no_value_and_gives_every_lock_back() {
    let (rig, server) = with_server(false);
    let names = &rig.names;
    let memory = |bytes| server.command(&["CONFIG", "SET", "maxmemory", bytes]);
    let value = Sent::With(Bytes::from_static(b"value"));
    let held = |id: u8| {
        memory("0");
        rig.granted(&tag(id));
        memory("1");
        let waiter = tag(99);
        let waits = Acquire { waiting: Some("me"), relock: false, ..acquire(names, &waiter) };
        assert!(matches!(rig.call(&waits), Acquired::Held { .. }), "a waiter can be noted");
    };
    held(1);
    assert_eq!(rig.release(&tag(1), Some(30 * S)), Released::Done { others: 0 });
    assert_eq!(
        rig.raw().unwrap(),
        tag(1).record(State::Computed).as_bytes(),
        "a record takes no more than it had"
    );
    memory("0");
    rig.call(&Forget(names));
    held(2);
    assert!(
        matches!(rig.call(&publish(names, &tag(2), &value, 30 * S)), Released::Refused(why) if why.contains("OOM"))
    );
    assert_eq!(rig.raw(), None);
    held(3);
    assert!(rig.call(&Fail { names, tag: &tag(3), note: b"note", life: 30 * S }));
    assert_eq!(rig.raw(), None);
    held(4);
    assert!(rig.abandon(&tag(4)));
    let last = rig.fence(names);
    let refused = |id: u8| {
        let error = rig.store.call_blocking(&acquire(names, &tag(id))).unwrap_err();
        assert!(error.to_string().contains("OOM"), "{error}");
        rig.raw()
    };
    assert_eq!(refused(5), None, "there is no record without a token");
    assert_eq!(rig.fence(names), last);
    held(6);
    let last = rig.fence(names);
    assert_eq!(refused(6).unwrap(), tag(6).record(State::Blocked).as_bytes(), "the turn of a repeat goes on");
    assert_eq!(rig.release(&tag(6), Some(30 * S)), Released::Done { others: 0 });
    let computed = tag(6).record(State::Computed).into_bytes();
    assert_eq!(refused(7).unwrap(), computed, "it is not re-locked");
    assert_eq!(rig.fence(names), last);
}

#[test]
fn another_type_at_the_fences_key_is_reported_and_stays() {
    let (rig, server) = with_server(false);
    let (names, fence) = (&rig.names, &*rig.names.fence);
    let strange = |id: u8, reserve, fetch| {
        let reply = rig.call(&Acquire { reserve, fetch, ..acquire(names, &tag(id)) });
        assert_eq!(reply, Acquired::StrangeFence("list".into()));
        assert_eq!(server.command(&["LLEN", fence]).int(), Some(1));
        rig.raw()
    };
    let all_ways = |id, expected: Option<&str>| {
        for reserve in [0, 5] {
            for fetch in [None, Some(Fetch::default())] {
                assert_eq!(strange(id, reserve, fetch).as_deref(), expected.map(str::as_bytes));
            }
        }
    };
    let (blocked, computed) = (tag(1).record(State::Blocked), tag(1).record(State::Computed));
    server.command(&["RPUSH", fence, "x"]);
    all_ways(1, None);
    server.command(&["DEL", fence]);
    rig.granted(&tag(1));
    server.command(&["RPUSH", &format!("{fence} "), "x"]);
    server.command(&["RENAME", &format!("{fence} "), fence]);
    all_ways(1, Some(&blocked));
    assert_eq!(rig.release(&tag(1), Some(30 * S)), Released::Done { others: 0 });
    all_ways(2, Some(&computed));
    assert!(rig.remaining().unwrap() > 20 * S);
}

/// `TIME` gives the microseconds without their leading zeros.
#[test]
fn a_token_early_in_a_second_has_all_digits() {
    let rig = rig(false);
    loop {
        let time = rig.call(&Time(&rig.names));
        if time.0 % 1_000_000 < 50_000 {
            assert!(rig.granted(&tag(1)).abs_diff(time.0) < 60_000_000);
            return;
        }
        // The time of day is no event that could be awaited.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The commands of a script must not leave the slot of its first key, and every key of a lock is there.
#[test]
fn a_node_of_a_cluster_has_all_keys_of_a_lock_in_one_slot() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
    let add: Vec<&str> =
        ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    assert!(server.command(&add).is_ok());
    // Such a node waits for others before it takes writes, which is no event that could be awaited.
    while !server.command(&["SET", "x", "y"]).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (mut rig, server) = on(server, false);
    for names in [names("example"), neighbours("a{b")[1].clone(), names("2").of_the_mark()] {
        rig.names = names;
        let names = &rig.names;
        let slot = |key: &str| server.command(&["CLUSTER", "KEYSLOT", key]).int().unwrap();
        let number = names.fence.trim_matches(|c: char| !c.is_ascii_digit());
        let others =
            [&names.fence, number, &names.value(), &names.error(), &names.refresh(), &names.beside("wait")];
        assert!(others.iter().all(|key| slot(key) == slot(&names.record)), "{names:?}");
        let [first, second, third] = [1, 2, 3].map(tag);
        rig.granted(&first);
        let fetch = Some(Fetch::default());
        let waits = Acquire { waiting: Some("you"), relock: false, fetch, ..acquire(names, &second) };
        assert!(matches!(rig.call(&waits), Acquired::Held { .. }));
        let renew = RenewOne { names, tag: &first, life: 20 * S };
        assert_eq!(rig.call(&Renew(vec![renew])), [Some(true)]);
        let value = Sent::With(Bytes::from_static(b"value"));
        assert_eq!(rig.call(&publish(names, &first, &value, 30 * S)), Released::Done { others: 1 });
        let seen = first.record(State::Computed).into_bytes();
        let refresh = Refresh { release: publish(names, &second, &value, 30 * S), seen: &seen };
        assert_eq!(rig.call(&refresh), Released::Done { others: 0 });
        rig.granted(&third);
        assert!(rig.call(&Fail { names, tag: &third, note: b"note", life: 30 * S }));
        assert_eq!(rig.call(&Forget(names)), Forgotten::Done(false));
    }
}

#[test]
fn a_forgotten_script_is_loaded_again() {
    for by_async in [false, true] {
        let (rig, server) = with_server(by_async);
        rig.granted(&tag(1));
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(rig.release(&tag(1), None), Released::Done { others: 0 });
        rig.granted(&tag(2));
    }
}

#[test]
fn every_key_of_a_lock_expires_but_the_fence() {
    let (rig, server) = with_server(false);
    rig.granted(&tag(1));
    rig.release(&tag(1), Some(30 * S));
    assert!(server.command(&["PTTL", &rig.names.record]).int().unwrap() > 0);
    assert_eq!(server.command(&["PTTL", &rig.names.fence]).int(), Some(-1));
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(2));
}

#[test]
fn an_operation_is_one_command() {
    let (rig, server) = with_server(false);
    rig.granted(&tag(1));
    rig.release(&tag(1), None);
    let before = server.command_stats();
    rig.granted(&tag(2));
    rig.release(&tag(2), Some(30 * S));
    rig.granted(&tag(3));
    rig.release(&tag(3), None);
    let after = server.command_stats();
    let calls = |stats: &std::collections::BTreeMap<String, u64>| stats.get("evalsha").copied().unwrap_or(0);
    assert_eq!(calls(&after) - calls(&before), 4, "also to re-lock");
}

/// The script and the parser agree on records with other separators.
#[test]
fn other_separators_are_told_apart() {
    #[derive(Debug)]
    struct Separated(&'static str);
    impl crate::Scheme for Separated {
        fn value_separator(&self) -> &str {
            self.0
        }
    }
    let rig = rig(false);
    for separator in ["::", "%", ";"] {
        let names = Names::derive(&Separated(separator), None, &Key::new("separated")).unwrap();
        let fields = |owner: &str| [owner, "2026-01-31T23:59:59.000123+00:00", "1"].join(separator);
        for (content, is_record) in [
            (fields("0b8e@host,1"), true),
            (fields(&format!("0b8e@host{separator}1")), false),
            (fields("0b8e@host") + separator, false),
            (fields("0b8e@host").replacen(separator, ",", 1), false),
        ] {
            assert_eq!(
                crate::format::record::Record::parse(content.as_bytes(), separator).is_ok(),
                is_record,
                "{content}"
            );
            rig.put_at(&names.record, content.as_bytes(), None);
            let forgotten = rig.call(&Forget(&names));
            assert_eq!(forgotten == Forgotten::Done(true), is_record, "{content}: {forgotten:?}");
        }
    }
}
