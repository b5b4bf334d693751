//! A full server evicts keys, by each policy that can evict a lock.
//!
//! The fence never expires, so only the policies that evict any key can evict it.

use crate::{fence_key, locks, rigs};
use dspinlock_testkit::{Connection, Server};

/// Writes other keys until the server has evicted these.
fn press_out(connection: &mut Connection, keys: &[&str]) {
    const BATCH: usize = 100;
    let filling = "x".repeat(4096);
    for batch in 0..1000 {
        for n in 0..BATCH {
            let name = format!("filling {batch} {n}");
            // It outlives the lock, so the lock has the shortest time to live.
            connection.send(&["SET", &name, &filling, "EX", "86400"]).unwrap();
        }
        for _ in 0..BATCH {
            assert!(connection.receive().unwrap().is_ok());
        }
        if connection.command(&[&["EXISTS"], keys].concat()).unwrap().int() == Some(0) {
            return;
        }
    }
    panic!("{keys:?} are not thrown away");
}

#[test]
fn tokens_rise_over_an_eviction_by_any_policy() {
    for policy in ["volatile-ttl", "volatile-lru", "allkeys-lru", "allkeys-random"] {
        let server = Server::start_with(&["--maxmemory", "4mb", "--maxmemory-policy", policy]);
        let mut connection = server.connect().unwrap();
        for (rig, other) in rigs(&server).into_iter().zip(rigs(&server)) {
            for (lock, same) in locks(&rig).iter().zip(locks(&other)) {
                let (record, fence) = (lock.record_key().unwrap(), &*fence_key(lock));
                let keeps = policy.starts_with("volatile");
                let evicted = if keeps { &[record][..] } else { &[record, fence] };
                let mut last = 0;
                for _ in 0..2 {
                    let stale = rig.acquire(lock).unwrap();
                    assert!(stale.fencing_token() > last, "{policy}");
                    press_out(&mut connection, evicted);
                    let kept = connection.command(&["EXISTS", fence]).unwrap().int();
                    assert_eq!(kept, Some(keeps.into()), "{policy}");
                    let next = other.acquire(&same).unwrap();
                    last = next.fencing_token();
                    // The server is as full as before, and may have evicted this one as well.
                    let _ = other.release(next);
                    assert!(last > stale.fencing_token(), "{policy}");
                }
            }
        }
        assert!(server.info("stats")["evicted_keys"].parse::<u64>().unwrap() > 0);
    }
}
