//! What the facts mean.

use super::facts::{Facts, ServerFacts, fields};
use super::judge::Verdict::{Bad, Good, Note, Unknown};
use super::judge::{Finding, judge, of_trial};
use super::trial::Trial;
use std::time::Duration;

const HEALTHY: &str = "redis_version:7.2.4\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
    evicted_keys:0\r\nconnected_slaves:0\r\ncluster_enabled:0\r\nrdb_last_bgsave_status:ok\r\n";

fn server(info: &str) -> ServerFacts {
    ServerFacts {
        name: "redis at x".to_owned(),
        pings: vec![Duration::from_micros(80); 3],
        ahead_micros: Some(1_500),
        info: Some(fields(HEALTHY).into_iter().chain(fields(info)).collect()),
        settings: [("save".to_owned(), String::new())].into(),
        ..ServerFacts::default()
    }
}

fn facts(servers: Vec<ServerFacts>) -> Facts {
    Facts { tls: true, host: None, response_timeout: Duration::from_secs(1), servers: Ok(servers) }
}

fn verdict(server: ServerFacts, check: &str) -> Finding {
    let all = judge(&facts(vec![server]));
    all.into_iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("no {check}"))
}

#[test]
fn a_healthy_server_needs_no_change() {
    let all = judge(&facts(vec![server("")]));
    assert!(all.iter().all(|finding| finding.verdict == Good && finding.change.is_none()), "{all:#?}");
    assert_eq!(all.len(), 7);
}

#[test]
fn each_danger_is_named_with_what_to_change() {
    for (info, check, change) in [
        ("maxmemory:100\r\nmaxmemory_policy:volatile-ttl", "eviction", "noeviction"),
        ("aof_enabled:0", "persistence", "appendonly yes"),
        ("aof_last_write_status:err", "persistence", "disk"),
        ("role:slave", "role", "primary"),
        ("redis_version:6.0.9", "version", "6.2"),
    ] {
        let finding = verdict(server(info), check);
        assert_eq!(finding.verdict, Bad, "{finding:?}");
        assert!(finding.change.as_ref().is_some_and(|text| text.contains(change)), "{finding:?}");
    }
    assert_eq!(verdict(server("connected_slaves:2"), "replicas").verdict, Note);
    assert!(verdict(server("valkey_version:8.1.0"), "version").what.starts_with("Valkey 8.1"));
}

#[test]
fn times_are_judged() {
    let slow = ServerFacts { pings: vec![Duration::from_millis(30); 3], ..server("") };
    assert_eq!(verdict(slow, "latency").verdict, Note);
    let mut spread = vec![Duration::from_millis(1); 3];
    spread.push(Duration::from_millis(700));
    assert_eq!(verdict(ServerFacts { pings: spread, ..server("") }, "latency").verdict, Bad);
    let behind = verdict(ServerFacts { ahead_micros: Some(-3_000_000), ..server("") }, "clock");
    assert!(behind.verdict == Note && behind.what.contains("3.0s behind"), "{behind:?}");
}

#[test]
fn what_is_not_told_is_unknown() {
    let blind =
        ServerFacts { info: None, ahead_micros: None, refused: vec!["INFO".to_owned()], ..server("") };
    for check in ["version", "eviction", "persistence", "clock"] {
        assert_eq!(verdict(blind.clone(), check).verdict, Unknown, "{check}");
    }
    assert_eq!(verdict(blind, "rights").verdict, Note);
    let broken = facts(Vec::new());
    let broken = judge(&Facts { servers: Err("no route".to_owned()), ..broken });
    assert_eq!((broken.len(), broken[0].verdict), (1, Bad));
}

#[test]
fn a_cluster_with_missing_slots_is_bad() {
    let node = |state: &str| ServerFacts {
        cluster: Some(fields(&format!("cluster_state:{state}\r\ncluster_slots_ok:9"))),
        ..server("cluster_enabled:1")
    };
    assert_eq!(verdict(node("ok"), "cluster").verdict, Good);
    assert!(verdict(node("fail"), "cluster").what.contains("9 of 16384"));
}

#[test]
fn a_trial_is_judged() {
    let woken = Some(Duration::from_millis(1));
    let of =
        |wake_up, tracks| of_trial(&Trial { lock: Ok(Duration::from_millis(1)), wake_up, tracks })[1].verdict;
    assert_eq!([of(woken, Some(true)), of(woken, Some(false)), of(None, None)], [Good, Note, Unknown]);
    let refused = of_trial(&Trial { lock: Err("NOPERM".to_owned()), wake_up: None, tracks: None });
    assert_eq!((refused.len(), refused[0].verdict), (1, Bad));
}
