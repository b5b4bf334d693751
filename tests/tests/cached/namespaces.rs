//! A namespace is that of the package unless the program names one. Functions that share one share the lock, not the value.

use dspinlock::{Client, Error, ErrorKind, dspinlock, testing};
use dspinlock_tests::block_on;

use crate::support::rigs;

/// Two packages whose crates are both called `server`, as the binaries of two services may be.
#[test]
fn packages_keep_services_apart() {
    for rig in rigs() {
        let load = |client, service: fn(u64) -> Result<String, Error>| {
            testing::scope(client, || service(7)).unwrap()
        };
        for client in [&rig.ours, &rig.theirs] {
            assert_eq!(load(client, billing::config::load), "billing 7");
            assert_eq!(load(client, accounts::config::load), "accounts 7");
        }
    }
}

#[dspinlock(client = client, key = id, namespace = "totals", cached(entry = orders_entry))]
fn orders(client: &Client, id: u64) -> Result<u64, Error> {
    Ok(id + 100)
}

#[dspinlock(client = client, key = id, namespace = "totals", cached(local = "1m", entry = returns_entry))]
async fn returns(client: &Client, id: u64) -> Result<u64, Error> {
    Ok(id + 200)
}

#[dspinlock(client = client, key = id, namespace = "totals", cached(schema = "sum"))]
fn first_sum(client: &Client, id: u64) -> Result<u64, Error> {
    Ok(id + 300)
}

#[dspinlock(client = client, key = id, namespace = "totals", cached(schema = "sum"))]
fn second_sum(client: &Client, _: (), id: u64) -> Result<u64, Error> {
    Ok(id + 400)
}

#[dspinlock(client = client, key = (), namespace = "totals", cached)]
fn width<T>(client: &Client) -> Result<usize, Error> {
    Ok(size_of::<T>())
}

#[dspinlock(client = client, key = 1, namespace = "totals", wait = "0s", cached)]
fn waits(client: &Client) -> Result<u64, Error> {
    panic!("another caller holds the lock")
}

#[test]
fn a_shared_namespace_shares_the_lock_and_not_the_value() {
    for rig in rigs() {
        let (ours, theirs) = (&rig.ours, &rig.theirs);
        for client in [ours, theirs, ours] {
            assert_eq!(orders(client, 1).unwrap(), 101);
            assert_eq!(orders_entry(ours, 1).unwrap().get_ok_blocking().unwrap(), Some(101));
            assert_eq!(returns_entry(theirs, 1).unwrap().get_ok_blocking().unwrap(), None);
            // Twice: the second time may be served from a copy.
            for _ in 0..2 {
                assert_eq!(block_on(returns(client, 1)).unwrap(), 201);
            }
            assert_eq!(returns_entry(ours, 1).unwrap().get_ok_blocking().unwrap(), Some(201));
            assert_eq!(orders_entry(theirs, 1).unwrap().get_ok_blocking().unwrap(), None);
        }
        assert_eq!(first_sum(ours, 1).unwrap(), 301);
        assert_eq!(second_sum(theirs, (), 1).unwrap(), 301, "the schema says that both make the same");
        assert_eq!((width::<u8>(ours).unwrap(), width::<u16>(theirs).unwrap()), (1, 2));

        let lock = theirs.lock(1).namespace("totals");
        let held = lock.acquire_blocking().unwrap();
        let error = waits(ours).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contended);
        held.release_blocking().unwrap();
    }
}
