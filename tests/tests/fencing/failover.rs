//! A failover to a server that has the keys or lacks them.

use crate::{locks, put_an_hour_ahead, rigs, turn};
use dspinlock_testkit::{Reply, Server};

fn promote(replica: &Server) {
    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
}

/// The fence was replicated, and decides whatever the new master's clock says.
#[test]
fn tokens_rise_on_a_replica_that_has_the_keys() {
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
        // Back to the first state, for the other API.
        replica.follow(&primary);
    }
}

/// A replica that was cut off is promoted while the old master still serves some clients. The holder there believes in its
/// lock, and has a lower token than any holder at the new master.
#[test]
fn tokens_rise_on_a_replica_without_the_keys() {
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
            assert!(stale.is_held(), "it has not learned of the failover");
            assert!(next > stale.fencing_token(), "{next} after {}", stale.fencing_token());
            drop(stale);
        }
        replica.follow(&primary);
    }
}

/// The limit of the claim: the keys were not replicated, *and* the new master's clock is behind the last token.
#[test]
fn the_claim_ends_if_the_new_master_has_no_keys_and_a_slow_clock() {
    let (old, new) = (Server::start(), Server::start());
    for (before, after) in rigs(&old).into_iter().zip(rigs(&new)) {
        for (lock, same) in locks(&before).iter().zip(locks(&after)) {
            put_an_hour_ahead(&old, lock);
            assert!(turn(&after, &same) < turn(&before, lock));
        }
    }
}
