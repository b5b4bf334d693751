//! Primaries that fail, and replicas that take over.

use super::*;

const LOCKS: usize = 1_000;

/// The records that the primaries of a cluster have.
fn records(cluster: &Cluster) -> usize {
    let of = |node: &Server| {
        if node.info("replication")["role"] != "master" {
            return 0;
        }
        match node.command(&["KEYS", "dspinlock,*"]) {
            Reply::List(keys) => keys.len(),
            refused => panic!("{refused:?}"),
        }
    };
    cluster.nodes().iter().filter(|node| node.pid().is_some()).map(of).sum()
}

/// Waits until every replica has what its primary wrote.
fn await_replicas(cluster: &Cluster) {
    let behind = |node: &Server| {
        let info = node.info("replication");
        info["role"] == "slave" && {
            let port: u16 = info["master_port"].parse().unwrap();
            let primary = cluster.nodes().iter().find(|node| node.port() == port).unwrap();
            primary.info("replication")["master_repl_offset"] != node.info("replication")["slave_repl_offset"]
        }
    };
    eventually("the replicas have everything", || !cluster.nodes().iter().any(behind));
}

#[test]
fn a_thousand_locks_outlive_a_primary_and_a_resharding_and_are_given_back() {
    let cluster = Cluster::start(3, 1);
    let (holder, other) = (client(&cluster), client(&cluster));
    let lease = Duration::from_secs(20);
    let take = |number| holder.lock(format!("lock {number}")).lease(lease).expire(None).acquire_blocking();
    let guards: Vec<Guard> = (0..LOCKS).map(|number| take(number).unwrap()).collect();
    assert_eq!(records(&cluster), LOCKS);

    // Some of them move.
    let moved: Vec<u16> = guards[..30].iter().map(|guard| cluster.slot(guard.record_key())).collect();
    for slot in moved {
        let to = (cluster.owner(slot) + 1) % 3;
        cluster.migrate([slot], to);
    }

    // A primary is killed that has locks, one of which is waited for.
    let waited_for = key_on(&cluster, 0, "waited for");
    let guard = holder.lock(&*waited_for).lease(lease).acquire_blocking().unwrap();
    let token = guard.fencing_token();
    let got_it = waiter(&cluster, &other, &waited_for, Api::Async);
    await_replicas(&cluster);
    let replacement = &cluster.nodes()[cluster.fail_over(0)];
    guard.release_blocking().unwrap();
    assert!(got_it.recv_timeout(SOON).unwrap() > token, "the tokens rise");

    // What did not survive is told; everything else is renewed at the new primary.
    let (slots, there): (Vec<_>, Vec<_>) = guards
        .iter()
        .map(|guard| (cluster.slot(guard.record_key()), guard))
        .filter(|(_, guard)| exists(replacement, guard.record_key()))
        .unzip();
    assert!(slots.len() > LOCKS / 5, "{} of {LOCKS}", slots.len());
    let lost = there[0];
    replacement.command(&["DEL", lost.record_key()]);
    assert!(lost.lost_blocking(SOON), "its record is gone");
    await_renewal(replacement, there[1].record_key(), false);
    assert_eq!(guards.iter().filter(|guard| guard.is_held()).count(), LOCKS - 1);

    holder.shutdown_blocking(SOON).unwrap();
    assert_eq!(records(&cluster), 1, "the mark of the waiter's turn is left");
}

#[test]
fn a_caller_that_comes_during_a_failover_is_served_after_it() {
    let cluster = Cluster::start(3, 1);
    let client = client(&cluster);
    let keys = APIS.map(|api| key_on(&cluster, 1, &format!("during, {api:?}")));
    hold(&client, &keys[0]).release_blocking().unwrap();
    await_replicas(&cluster);
    thread::scope(|scope| {
        let callers: Vec<_> = APIS
            .into_iter()
            .zip(&keys)
            .map(|(api, key)| {
                let rig = Rig { client: client.clone(), api };
                scope.spawn(move || {
                    let started = std::time::Instant::now();
                    // They call again and again, before, during and after the failover.
                    let mut turns = 0;
                    while turns < 20 || started.elapsed() < Duration::from_secs(8) {
                        let guard = rig.acquire(&rig.client.lock(&**key).wait(MINUTE)).unwrap();
                        // The reply to a release may be lost with the node.
                        let _ = rig.release(guard);
                        turns += 1;
                    }
                })
            })
            .collect();
        cluster.fail_over(1);
        for caller in callers {
            caller.join().unwrap();
        }
    });
    // Locks on the other nodes never noticed.
    client.ping_blocking().unwrap();
}

#[test]
fn a_waiter_is_served_after_a_planned_handover() {
    let cluster = Cluster::start(3, 1);
    let (holder, waiting) = (client(&cluster), client(&cluster));
    let key = key_on(&cluster, 2, "handed over");
    let guard = hold(&holder, &key);
    let got_it = waiter(&cluster, &waiting, &key, Api::Blocking);
    await_replicas(&cluster);
    let record = record(&key);
    cluster.hand_over(5);
    assert_eq!(cluster.owner(cluster.slot(&record)), 5);
    guard.release_blocking().unwrap();
    got_it.recv_timeout(SOON).unwrap();
}

#[test]
fn a_primary_that_is_gone_for_good_costs_no_lease_on_another_one() {
    // Nobody takes over, and the other node does not mind for a minute.
    let cluster = Cluster::start_with(2, 0, MINUTE);
    let client = client(&cluster);
    let take =
        |number| client.lock(format!("lock {number}")).lease(Duration::from_secs(4)).acquire_blocking();
    let guards: Vec<Guard> = (0..100).map(|number| take(number).unwrap()).collect();
    let (lost, kept): (Vec<_>, Vec<_>) =
        guards.iter().partition(|guard| cluster.owner(cluster.slot(guard.record_key())) == 1);
    assert!(lost.len() > 20 && kept.len() > 20, "{} and {}", lost.len(), kept.len());
    cluster.nodes()[1].kill();
    for guard in lost {
        assert!(guard.lost_blocking(SOON), "its primary is gone");
    }
    for guard in &kept {
        guard.ensure_held().unwrap();
    }
    await_renewal(&cluster.nodes()[0], kept[0].record_key(), false);
}
