//! Clusters, sentinels and TLS: what works for locks works for the command line.

use crate::{ELSEWHERE, cli, run};
use dspinlock::Client;
use dspinlock_testkit::{Authority, Cluster, Sentinels, Server};
use std::collections::BTreeSet;

#[test]
fn a_cluster_is_looked_at_on_every_primary() {
    let cluster = Cluster::start(3, 0);
    let url = cluster.url();
    let ours = Client::connect(&format!("{url}?response_timeout=10s")).unwrap();
    let guards: Vec<_> =
        (0..12).map(|number| ours.lock(number).namespace("n").acquire_blocking().unwrap()).collect();
    let servers: BTreeSet<_> =
        guards.iter().map(|guard| cluster.owner(cluster.slot(guard.record_key()))).collect();
    assert_eq!(servers.len(), 3, "the keys are on all primaries");
    let listed = run(&mut cli(&url, &["ls", "--json"])).json();
    assert_eq!((listed["locks"].as_array().unwrap().len(), &listed["complete"]), (12, &true.into()));
    for guard in &guards {
        let shown = run(&mut cli(&url, &["show", guard.record_key(), "--json"])).json();
        let at = cluster.owner(cluster.slot(guard.record_key()));
        let port = cluster.nodes()[at].port().to_string();
        assert!(shown["server"].as_str().unwrap().ends_with(&port), "{shown:#}");
        assert_eq!(shown["last_token_of_slot"], guard.fencing_token());
    }
    assert_eq!(run(&mut cli(&url, &["break", guards[7].record_key(), "--yes"])).code, Some(0));
    let checked = run(&mut cli(&url, &["doctor", "--json"])).json();
    let good = |check: &str| {
        let all = checked["findings"].as_array().unwrap().iter();
        all.filter(|finding| finding["check"] == check && finding["verdict"] == "good").count()
    };
    assert_eq!((good("connection"), good("cluster"), good("wake-ups")), (3, 3, 1), "{checked:#}");
    let ran = run(&mut cli(&url, &["run", "--key", "k", "--", "true"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Told as a single server, a node sends the command line elsewhere.
    let single = run(&mut cli(&cluster.nodes()[0].url(), &["show", guards[0].record_key()]));
    assert!(single.code == Some(0) || single.err.contains("write `redis-cluster://host`"), "{single:?}");
}

#[test]
fn sentinels_lead_to_the_primary() {
    let sentinels = Sentinels::start();
    assert!(sentinels.primary().command(&["SET", "dspinlock,x", &format!("{ELSEWHERE}0")]).is_ok());
    let listed = run(&mut cli(&sentinels.url(), &["ls", "--json"])).json();
    assert_eq!(listed["locks"].as_array().unwrap().len(), 1, "{listed:#}");
}

#[test]
fn tls_is_that_of_the_library() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority.issue(&["localhost", "127.0.0.1"]), None);
    let ca = server.files().join("ca-of-the-test.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let untrusted = run(&mut cli(&server.tls_url(), &["ls"]));
    assert!(untrusted.code == Some(78) || untrusted.code == Some(69), "{untrusted:?}");
    let checked =
        run(cli(&server.tls_url(), &["doctor", "--json", "--read-only"]).env("DSPINLOCK_TLS_CA", &ca));
    let report = checked.json();
    let tls =
        report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "tls").unwrap();
    assert_eq!(tls["verdict"], "good", "{checked:?}");
    let ran = run(cli(&server.tls_url(), &["run", "--key", "k", "--", "true"]).env("DSPINLOCK_TLS_CA", &ca));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
