//! Keys that hold something else, invalid names, and keys of unusual sizes.

use crate::{APIS, LONG_KEY, refused};
use dspinlock::{Client, ErrorKind, Scheme, State};
use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::{Rig, fence_key, on_every_rig, timed};
use std::time::Duration;

/// Foreign data, and the word in the error that describes it.
const STRANGERS: [(&[u8], &str); 9] = [
    (b"owner@host,2026-01-31T23:59:59.000123+00:00,7", "state"),
    (b"owner@host,2026-01-31T23:59:59.000123+00:00", "three fields"),
    (b"owner@host,2026-01-31T23:59:59.000123+00:00,0,1", "three fields"),
    (b"\xff\xfe,2026-01-31T23:59:59.000123+00:00,0", "UTF-8"),
    (b"owner@host,yesterday,0", "timestamp"),
    (b",2026-01-31T23:59:59.000123+00:00,0", "owner"),
    (b"", "0 bytes"),
    (b"hunter2", "7 bytes"),
    (b"\r\n$-1\r\n", "7 bytes"),
];

#[test]
fn foreign_data_is_reported_and_left_alone() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    let lock = client.lock(LONG_KEY);
    let name = lock.record_key().unwrap();
    for (stranger, why) in STRANGERS {
        assert!(server.command(&[b"SET", name.as_bytes(), stranger]).is_ok());
        for api in APIS {
            let error = refused(&client, api);
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            assert!(error.to_string().contains(why), "{why}: {error}");
            assert!(error.to_string().contains(name), "{error}");
            assert!(!error.to_string().contains("hunter2"), "it may be a secret: {error}");
            every_method_refuses(&Rig { client: client.clone(), api });
        }
        assert_eq!(server.command(&["GET", name]), Reply::Bytes(stranger.to_vec()));
        assert_eq!(server.command(&["PTTL", name]).int(), Some(-1), "not even its life");
    }
    assert_eq!(server.command(&["DBSIZE"]).int(), Some(1), "and nothing was put beside it");
}

fn every_method_refuses(rig: &Rig) {
    let lock = || rig.client.lock(LONG_KEY);
    for error in [
        rig.acquire(&lock().wait(Duration::ZERO)).unwrap_err(),
        rig.acquire(&lock().fail_if_key_exists(true)).unwrap_err(),
        rig.try_acquire(&lock()).unwrap_err(),
        rig.enter(&lock().cached_if_computed(true)).unwrap_err(),
        rig.inspect(&lock()).unwrap_err(),
        rig.forget(&lock()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    }
}

#[test]
fn values_of_other_types_are_reported_and_left_alone() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    let lock = client.lock(LONG_KEY);
    let name = lock.record_key().unwrap();
    for (put, read, kind) in [
        (&["RPUSH", name, "a", "b"][..], &["LRANGE", name, "0", "-1"][..], "list"),
        (&["HSET", name, "a", "b"], &["HGETALL", name], "hash"),
        (&["SADD", name, "a"], &["SMEMBERS", name], "set"),
        (&["XADD", name, "1-1", "a", "b"], &["XRANGE", name, "-", "+"], "stream"),
    ] {
        server.command(&["DEL", name]);
        server.command(put);
        let before = server.command(read);
        for api in APIS {
            let error = refused(&client, api);
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            assert!(error.to_string().contains(kind), "{error}");
            every_method_refuses(&Rig { client: client.clone(), api });
        }
        assert_eq!(server.command(read), before);
    }
}

/// Another type at the key of the fencing token.
#[test]
fn foreign_data_at_the_fence_is_reported_and_left_alone() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    let fence = fence_key("dspinlock", client.lock(LONG_KEY).record_key().unwrap());
    for (put, read, what) in [
        (&["RPUSH", &fence, "a", "b"][..], &["LRANGE", &fence, "0", "-1"][..], "a list"),
        (&["HSET", &fence, "a", "b"], &["HGETALL", &fence], "a hash"),
    ] {
        server.command(&["DEL", &fence]);
        server.command(put);
        let before = server.command(read);
        for api in APIS {
            let error = refused(&client, api);
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            assert!(error.to_string().contains(&fence) && error.to_string().contains(what), "{error}");
        }
        assert_eq!(server.command(read), before);
        assert_eq!(server.command(&["PTTL", &fence]).int(), Some(-1), "not even its life");
        assert_eq!(server.command(&["DBSIZE"]).int(), Some(1), "the key is not held");
    }
}

/// A text that is no token protects nothing, and its key never expires.
#[test]
fn a_text_at_the_fence_counts_as_a_lost_token() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    for api in APIS {
        let rig = Rig { client: client.clone(), api };
        let fence = fence_key("dspinlock", rig.lock("text").record_key().unwrap());
        server.command(&["SET", &fence, "hello"]);
        let guard = rig.acquire(&rig.lock("text")).unwrap();
        assert_eq!(server.command(&["GET", &fence]).text(), Some(&*guard.fencing_token().to_string()));
        rig.release(guard).unwrap();
    }
}

/// Foreign data that arrives while the lock is held.
#[test]
fn a_list_that_replaced_a_held_lock_is_left_alone() {
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    for api in APIS {
        let rig = Rig { client: client.clone(), api };
        let guard = rig.acquire(&rig.lock("list")).unwrap();
        let name = guard.record_key().to_owned();
        server.command(&["DEL", &name]);
        server.command(&["RPUSH", &name, "a"]);
        let error = rig.release(guard).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(error.to_string().contains("list") && error.key().is_some(), "{error}");
        assert_eq!(server.command(&["LLEN", &name]).int(), Some(1));
    }
}

#[derive(Debug)]
struct Named(&'static str);

impl Scheme for Named {
    fn key(&self, _: Option<&str>, _: &str) -> String {
        self.0.to_owned()
    }
}

on_every_rig!(unusable_names_are_refused, keys_of_any_size_work);

fn unusable_names_are_refused(rig: &Rig) {
    for prefix in ["a{b", "a}b", "{a}", "", "a,b"] {
        let client = rig.client.clone().with_prefix(prefix);
        let error = refused(&client, rig.api);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("prefix") && error.to_string().contains(prefix), "{error}");
    }
    let error = refused(&rig.client.clone().with_scheme(Named("a}b{c")), rig.api);
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

fn keys_of_any_size_work(rig: &Rig) {
    let long = "k".repeat(10_000_000);
    let ((), took) = timed(|| {
        for key in [String::new(), long, "\0\r\n{}\"\u{1f512}".to_owned()] {
            let lock = rig.client.lock(&key).namespace(format!("sizes {:?}", rig.api).replace(' ', "-"));
            let guard = rig.acquire(&lock).unwrap();
            assert!(rig.try_acquire(&lock.clone()).unwrap().is_none());
            assert!(guard.key().chars().count() <= 64 && guard.record_key().len() < 200);
            rig.release(guard).unwrap();
            assert_eq!(rig.inspect(&lock).unwrap().unwrap().state(), State::Computed);
        }
    });
    // A build without optimisation hashes slowly, and slower on a busy machine.
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn long_keys_that_differ_at_their_end_are_two_keys() {
    let client = Client::memory();
    let long = "k".repeat(10_000_000);
    let nearly = format!("{}!", &long[1..]);
    assert_ne!(client.lock(&long).record_key().unwrap(), client.lock(&nearly).record_key().unwrap());
}
