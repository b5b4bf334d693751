//! What callers are told when a cluster is not there, or not whole.

use super::*;
use dspinlock::ErrorKind;

#[test]
fn seeds_that_do_not_answer_are_an_error_with_the_last_cause() {
    let server = Server::start();
    let url = format!("redis-cluster://127.0.0.1:{}", server.port());
    server.kill();
    let refused = Client::connect(&url).unwrap().lock("example").acquire_blocking().unwrap_err();
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Backend, true));
    let text = refused.to_string();
    assert!(
        text.contains("no node of the cluster tells who has its slots") && text.contains("refused"),
        "{text}"
    );
}

#[test]
fn one_seed_that_answers_is_enough() {
    let (down, cluster) = (Server::start(), shared());
    down.kill();
    let url = format!("redis-cluster://127.0.0.1:{},127.0.0.1:{}", down.port(), cluster.nodes()[0].port());
    Client::connect(&url).unwrap().ping_blocking().unwrap();
}

#[test]
fn a_server_that_is_no_node_of_a_cluster_says_which_url_to_write() {
    let server = Server::start();
    let url = format!("redis-cluster://127.0.0.1:{}", server.port());
    for api in APIS {
        let rig = Rig { client: Client::connect(&url).unwrap(), api };
        let refused = rig.acquire(&rig.lock("example")).unwrap_err();
        assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Config, false));
        assert!(refused.to_string().contains("write `redis://`"), "{refused}");
    }
}

#[test]
fn a_slot_that_nobody_serves_is_asked_for_while_the_caller_waits() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let client = Client::connect(&format!("redis-cluster://127.0.0.1:{}", server.port())).unwrap();
    let lock = client.lock("example").wait(Duration::from_millis(300));
    let alone = lock.acquire_blocking().unwrap_err();
    assert_eq!((alone.kind(), alone.is_retryable()), (ErrorKind::Backend, true));
    assert!(alone.to_string().contains("knows of no slots"), "{alone}");
    // Some slots have an owner by now, and that of the lock does not.
    let slot = server.command(&["CLUSTER", "KEYSLOT", lock.record_key().unwrap()]).int().unwrap();
    assert!(server.command(&["CLUSTER", "ADDSLOTS", &((slot + 1) % 16_384).to_string()]).is_ok());
    let unserved = lock.acquire_blocking().unwrap_err();
    assert_eq!((unserved.kind(), unserved.is_retryable()), (ErrorKind::Backend, true));
    assert!(unserved.to_string().contains("no node of the cluster serves slot"), "{unserved}");
    assert!(unserved.waited() >= Duration::from_millis(300), "{unserved:?}");
    // The cluster is made whole while the next caller waits.
    let patient = client.lock("example").wait(MINUTE);
    let waiting = thread::spawn(move || patient.acquire_blocking().map(Guard::release_blocking));
    for rest in (0..16_384).filter(|&other| other != (slot + 1) % 16_384) {
        server.command(&["CLUSTER", "ADDSLOTS", &rest.to_string()]);
    }
    waiting.join().unwrap().unwrap().unwrap();
}

#[test]
fn a_ping_asks_every_primary() {
    let cluster = Cluster::start_with(2, 0, MINUTE);
    let client = client(&cluster);
    client.ping_blocking().unwrap();
    cluster.nodes()[1].kill();
    let refused = client.ping_blocking().unwrap_err();
    assert!(refused.to_string().contains(&cluster.nodes()[1].port().to_string()), "{refused}");
}
