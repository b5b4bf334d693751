//! A slot on its way: what happens to a lock that is held, waited for, taken and given back meanwhile.

use super::*;
use dspinlock::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

/// Has the slot of a key begin to move to the other node of the shared cluster.
fn begin(key: &str) -> dspinlock_testkit::Migration<'static> {
    let cluster = shared();
    let slot = cluster.slot(&record(key));
    cluster.begin(slot, 1 - cluster.owner(slot))
}

/// How often a node has refused a request since its keys are not all there.
fn refusals(node: &Server) -> u64 {
    let counts = node.info("errorstats");
    let count = counts.get("errorstat_TRYAGAIN").and_then(|count| count.strip_prefix("count="));
    count.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn a_held_lock_is_renewed_at_every_stage_of_the_move() {
    let client = client(shared());
    // A second one on the same node, so that renewals go together.
    let key = "renewed";
    let neighbour = key_on(shared(), shared().owner(shared().slot(&record(key))), "neighbour of the renewed");
    let lease = Duration::from_secs(3);
    let guards = [key, &neighbour].map(|key| client.lock(key).lease(lease).acquire_blocking().unwrap());
    let record = record(key);
    let moving = begin(key);
    await_renewal(moving.from(), &record, false);
    moving.move_keys();
    await_renewal(moving.to(), &record, true);
    let to = &shared().nodes()
        [shared().nodes().iter().position(|node| node.port() == moving.to().port()).unwrap()];
    moving.end();
    await_renewal(to, &record, false);
    for guard in guards {
        guard.ensure_held().unwrap();
        guard.release_blocking().unwrap();
    }
}

#[test]
fn a_lock_is_given_back_at_every_stage_of_the_move() {
    for api in APIS {
        for keys_are_moved in [false, true] {
            // One that leaves the mark of what was done, and one that leaves nothing.
            for expire in [None, Some(MINUTE)] {
                let rig = Rig { client: client(shared()), api };
                let key = format!("given back by {api:?}, {keys_are_moved}, {expire:?}");
                let lock = rig.client.lock(&*key).expire(expire);
                let guard = rig.acquire(&lock).unwrap();
                let moving = begin(&key);
                if keys_are_moved {
                    moving.move_keys();
                }
                rig.release(guard).unwrap();
                moving.move_keys();
                let to = moving.to().port();
                moving.end();
                let to = shared().nodes().iter().find(|node| node.port() == to).unwrap();
                let left = to.command(&["GET", &record(&key)]);
                match expire {
                    None => assert_eq!(left, Reply::Nil),
                    Some(_) => assert!(left.text().unwrap().ends_with(",1"), "{left:?}"),
                }
            }
        }
    }
}

#[test]
fn a_waiter_follows_the_slot_and_is_woken_by_its_new_owner() {
    for api in APIS {
        let (holder, waiting) = (client(shared()), client(shared()));
        let key = format!("waited for by {api:?}");
        let guard = hold(&holder, &key);
        let got_it = waiter(shared(), &waiting, &key, api);
        let slot = shared().slot(&record(&key));
        let to = 1 - shared().owner(slot);
        let node = &shared().nodes()[to];
        // A waiter that finds its slot open tries again until the move ends, and then waits at the new owner.
        let before = looks(node);
        shared().migrate([slot], to);
        eventually("the waiter asks the new owner", || looks(node) > before);
        assert!(got_it.try_recv().is_err(), "it is held");
        holder.ping_blocking().unwrap();
        guard.release_blocking().unwrap();
        got_it.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn a_free_lock_in_an_open_slot_is_granted_when_the_move_ends() {
    let client = client(shared());
    for api in APIS {
        let key = format!("free, for {api:?}");
        let moving = begin(&key);
        let before = refusals(moving.to());
        let refused = client.lock(&*key).wait(Duration::ZERO).acquire_blocking().unwrap_err();
        assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Backend, true), "{refused}");
        assert!(refused.to_string().contains("moving these keys"), "{refused}");
        let rig = Rig { client: client.clone(), api };
        let waiting = thread::spawn({
            let lock = client.lock(&*key).wait(MINUTE);
            move || rig.acquire(&lock).map(|guard| rig.release(guard))
        });
        eventually("the waiter is refused", || refusals(moving.to()) >= before + 2);
        moving.end();
        waiting.join().unwrap().unwrap().unwrap();
    }
}

#[test]
fn a_value_is_computed_once_whatever_moves() {
    static COMPUTED: AtomicU32 = AtomicU32::new(0);
    for (name, size) in [("small", 100), ("large", 300_000)] {
        let (writing, reading) = (client(shared()), client(shared()));
        let key = format!("value, {name}");
        let value = |client: &Client| {
            let compute = || {
                COMPUTED.fetch_add(1, Ordering::SeqCst);
                Ok::<_, dspinlock::Error>("v".repeat(size))
            };
            client.lock(&*key).wait(MINUTE).get_or_compute_blocking(compute).unwrap().len()
        };
        COMPUTED.store(0, Ordering::SeqCst);
        assert_eq!(value(&writing), size);
        let moving = begin(&key);
        assert_eq!(value(&writing), size, "it was seen before, and is still there");
        moving.move_keys();
        let before = refusals(moving.to());
        thread::scope(|scope| {
            let reader = scope.spawn(|| value(&reading));
            eventually("the reader is refused", || refusals(moving.to()) > before);
            moving.end();
            assert_eq!(reader.join().unwrap(), size);
        });
        assert_eq!(value(&writing), size);
        assert_eq!(COMPUTED.load(Ordering::SeqCst), 1, "{name}");
    }
}
