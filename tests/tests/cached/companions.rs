//! Companions read what is stored with one command, and change nothing except by `forget`.

use std::thread;

use dspinlock::{Client, ErrorKind, dspinlock};

use crate::support::{AppError, Body, Runs, redis, rigs, signals};

#[dspinlock(client = client, key = day, cached(entry = usage_entry), expire = "10m")]
fn usage(client: &Client, day: &str, runs: &Runs) -> Result<u32, AppError> {
    runs.run()
}

#[dspinlock(client = client, key = (), cached(entry = slow_entry), on_error = |error| panic!("{error}"))]
fn slow(client: &Client, body: &Body) -> u32 {
    body.wait();
    1
}

#[test]
fn peeking_is_one_command_and_writes_nothing() {
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    let entry = usage_entry(&rig.theirs, "monday", &runs).unwrap();
    usage(&rig.ours, "monday", &runs).unwrap();
    assert_eq!(entry.get_ok_blocking().unwrap(), Some(1));
    let before = server.command_stats();
    for _ in 0..10 {
        assert_eq!(entry.get_ok_blocking().unwrap(), Some(1));
    }
    let after = server.command_stats();
    assert_eq!(after["evalsha"] - before["evalsha"], 10);
    assert_eq!((after["set"], after.get("del")), (before["set"], before.get("del")));
}

#[test]
fn peeking_at_a_held_key_does_not_wait() {
    for rig in rigs() {
        let (body, test) = signals();
        thread::scope(|scope| {
            let leader = scope.spawn(|| slow(&rig.ours, &body));
            test.entered();
            let entry = slow_entry(&rig.theirs, &body).unwrap();
            assert_eq!(entry.get_blocking().unwrap(), None);
            test.finish();
            assert_eq!(leader.join().unwrap(), 1);
            assert_eq!(entry.get_blocking().unwrap(), Some(1));
        });
    }
}

#[test]
fn a_foreign_value_is_an_error_and_stays() {
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    let entry = usage_entry(&rig.ours, "monday", &runs).unwrap();
    server.command(&["SET", entry.record_key(), "foreign"]);
    assert_eq!(entry.get_ok_blocking().unwrap_err().kind(), ErrorKind::Foreign);
    assert_eq!(entry.forget_blocking().unwrap_err().kind(), ErrorKind::Foreign);
    assert_eq!(server.command(&["GET", entry.record_key()]).text(), Some("foreign"));
}

#[test]
fn a_record_computed_by_python_has_no_value_until_we_compute_one() {
    let (rig, runs) = (redis(), Runs::default());
    let server = rig.server.as_ref().unwrap();
    let entry = usage_entry(&rig.ours, "monday", &runs).unwrap();
    let record = "0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,1";
    server.command(&["SET", entry.record_key(), record, "EX", "60"]);
    assert_eq!(entry.get_ok_blocking().unwrap(), None);
    assert_eq!(usage(&rig.ours, "monday", &runs).unwrap(), 1);
    assert_eq!(entry.get_ok_blocking().unwrap(), Some(1));
}
