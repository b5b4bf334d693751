//! A cluster whose slots move while it works.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A key that somebody may hold, and the last token for it.
struct Watched {
    key: String,
    held: AtomicBool,
    token: AtomicU64,
}

/// Locks, checks that nobody else is inside and that the token rises, and gives back, until the end.
fn work(rig: &Rig, watched: &[Watched], over: &AtomicBool) -> u32 {
    let mut turns = 0;
    while !over.load(Ordering::SeqCst) {
        let at = fastrand::usize(..watched.len());
        let Watched { key, held, token } = &watched[at];
        let guard = rig.acquire(&rig.client.lock(&**key).wait(MINUTE)).unwrap();
        assert!(!held.swap(true, Ordering::SeqCst), "two holders of {key}");
        assert!(token.swap(guard.fencing_token(), Ordering::SeqCst) < guard.fencing_token(), "{key}");
        thread::yield_now();
        held.store(false, Ordering::SeqCst);
        rig.release(guard).unwrap();
        turns += 1;
    }
    turns
}

#[test]
fn a_resharding_under_load_costs_no_call_and_lets_nobody_in_twice() {
    const ROUNDS: usize = 3;
    let cluster = shared();
    let watched: Vec<Watched> = (0..20)
        .map(|number| Watched {
            key: format!("under load {number}"),
            held: AtomicBool::default(),
            token: AtomicU64::default(),
        })
        .collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = APIS
            .into_iter()
            .cycle()
            .take(6)
            .map(|api| {
                let (rig, watched, over) = (Rig { client: client(cluster), api }, &watched, &over);
                scope.spawn(move || work(&rig, watched, over))
            })
            .collect();
        for _ in 0..ROUNDS {
            for Watched { key, .. } in &watched {
                let slot = cluster.slot(&record(key));
                cluster.migrate([slot], 1 - cluster.owner(slot));
            }
        }
        over.store(true, Ordering::SeqCst);
        for worker in workers {
            assert!(worker.join().unwrap() > 0, "a worker without a turn");
        }
    });
}
