//! The suite on a cluster, and cases that only a cluster can have.

use super::*;
use dspinlock_testkit::Cluster;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One cluster for all cases, each with a key of its own. Its nodes end with this process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    // A replica that took over in the middle of a case would lose what it is about.
    CLUSTER.get_or_init(|| Cluster::start_with(3, 1, 60 * S))
}

pub(super) fn rig(by_async: bool) -> Rig {
    static CASES: AtomicUsize = AtomicUsize::new(0);
    let client = crate::Client::connect(&cluster().url()).unwrap();
    let put = move |key: &str, value: &[u8], life: Option<Duration>| {
        let cluster = cluster();
        let owner = &cluster.nodes()[cluster.owner(cluster.slot(key))];
        assert!(owner.command(&[b"SET", key.as_bytes(), value]).is_ok());
        if let Some(life) = life {
            owner.command(&["PEXPIRE", key, &life.as_millis().to_string()]);
        }
    };
    let key = format!("example {}", CASES.fetch_add(1, Ordering::Relaxed));
    Rig {
        name: "a cluster",
        store: Arc::clone(&client.core().store),
        names: names(&key),
        key,
        by_async: by_async.then(runtime),
        here: false,
        put: Box::new(put),
    }
}

/// The same by the door of a caller's own task, over the connections of its runtime.
pub(super) fn rig_of_a_task() -> Rig {
    let rig = Rig { here: true, ..rig(true) };
    // The library's thread serves the first requests, while those connections are opened.
    (0..20).for_each(|_| rig.call(&Ping));
    rig
}

/// Renewals for many slots, of which each node gets its own.
#[test]
fn locks_on_all_nodes_are_renewed_together() {
    for by_async in [false, true] {
        let rig = rig(by_async);
        let all: Vec<_> = (0..60).map(|lock| names(&format!("{}, {lock}", rig.key))).collect();
        let (held, free) = all.split_at(50);
        for names in held {
            assert!(is_granted(&rig.call(&acquire(names, &tag(1)))));
        }
        let tag = tag(1);
        let renew = Renew(all.iter().map(|names| RenewOne { names, tag: &tag, life: 60 * S }).collect());
        let expected: Vec<_> =
            held.iter().map(|_| Some(true)).chain(free.iter().map(|_| Some(false))).collect();
        assert_eq!(rig.call(&renew), expected);
        for names in held {
            assert!(
                matches!(rig.call(&Read(names)), Found::Held { remaining: Some(life), .. } if life > 50 * S)
            );
        }
    }
}
