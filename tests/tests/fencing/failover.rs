//! Another server takes over, with the keys or without.

use crate::{locks, put_an_hour_ahead, rigs, turn};
use dspinlock_testkit::{Reply, Server};

fn promote(replica: &Server) {
    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
}

/// The fence has come over, and rules whatever the new master's clock says.
#[test]
fn a_replica_that_has_the_keys_goes_on_from_them() {
    let primary = Server::start();
    let replica = Server::start_replica_of(&primary);
    for (before, after) in rigs(&primary).into_iter().zip(rigs(&replica)) {
        let lasts = locks(&before).map(|lock| {
            let ahead = put_an_hour_ahead(&primary, &lock);
            let token = turn(&before, &lock);
            assert!(token > ahead, "{token} after {ahead}");
            token
        });
        replica.await_writes_of(&primary);
        promote(&replica);
        for (lock, last) in locks(&after).iter().zip(lasts) {
            let next = turn(&after, lock);
            assert!(next > last, "{next} after {last}");
        }
        // As before, for the other door.
        replica.follow(&primary);
    }
}

/// The replica was cut off, and somebody promotes it while the old master still serves those who reach it: its holder
/// believes in its lock, and has a lower token than whoever locks at the new master.
#[test]
fn a_replica_that_never_had_the_keys_has_higher_tokens() {
    let primary = Server::start();
    let replica = Server::start_replica_of(&primary);
    for (before, after) in rigs(&primary).into_iter().zip(rigs(&replica)) {
        promote(&replica);
        for (old, new) in locks(&before).iter().zip(locks(&after)) {
            let mut last = 0;
            for _ in 0..20 {
                last = turn(&before, old);
            }
            let stale = before.acquire(old).unwrap();
            assert!(stale.fencing_token() > last);
            assert_eq!(replica.command(&["GET", stale.record_key()]), Reply::Nil);

            let next = turn(&after, &new);
            assert!(stale.is_held(), "nobody has told it");
            assert!(next > stale.fencing_token(), "{next} after {}", stale.fencing_token());
            drop(stale);
        }
        replica.follow(&primary);
    }
}

/// The end of the claim: the keys did not come over, *and* the new master's clock is behind the last token.
#[test]
fn the_claim_ends_where_the_new_master_has_neither_the_keys_nor_the_time() {
    let (old, new) = (Server::start(), Server::start());
    for (before, after) in rigs(&old).into_iter().zip(rigs(&new)) {
        for (lock, same) in locks(&before).iter().zip(locks(&after)) {
            put_an_hour_ahead(&old, lock);
            assert!(turn(&after, &same) < turn(&before, lock));
        }
    }
}
