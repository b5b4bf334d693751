//! A server that changes under its clients: another one takes its place, or it can't do for a while what is asked.

use dspinlock::{Client, Error, ErrorKind, dspinlock};
use dspinlock_testkit::{Proxy, Server};
use dspinlock_tests::{Api, Rig, await_renewal, eventually, ms, timed};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A caller is served this soon after the address leads to the new primary.
const SOON: Duration = Duration::from_secs(2);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// A primary behind an address, and the replica that takes its place.
struct Pair {
    old: Server,
    new: Server,
    proxy: Proxy,
}

fn address(server: &Server) -> SocketAddr {
    ([127, 0, 0, 1], server.port()).into()
}

impl Pair {
    fn new() -> Self {
        let old = Server::start();
        let new = Server::start_replica_of(&old);
        let proxy = Proxy::start(address(&old));
        Self { old, new, proxy }
    }

    fn client(&self) -> Client {
        Client::connect(&self.proxy.url()).unwrap()
    }

    /// Makes the replica the primary. The address still leads to the old one, which follows the new one from now on.
    fn demote(&self) {
        self.new.await_writes_of(&self.old);
        assert!(self.new.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
        self.old.follow(&self.new);
    }

    /// Leads new connections to the new primary. Open ones stay.
    fn switch(&self) -> Instant {
        self.proxy.retarget(address(&self.new));
        Instant::now()
    }
}

/// Both doors, and the one of a task in a runtime that has a connection of its own.
const DOORS: [(Api, bool); 3] = [(Api::Blocking, false), (Api::Async, false), (Api::Async, true)];

/// How many requests the old primary has refused.
fn refusals(server: &Server) -> u64 {
    server
        .info("errorstats")
        .get("errorstat_READONLY")
        .map_or(0, |seen| seen.strip_prefix("count=").and_then(|count| count.parse().ok()).expect("a number"))
}

#[test]
fn after_a_demotion_the_calls_that_wait_and_later_ones_reach_the_new_primary_in_time() {
    for (api, in_runtime) in DOORS {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let _inside = in_runtime.then(|| runtime.enter());
        let pair = Pair::new();
        let rig = Rig { client: pair.client(), api };
        if in_runtime {
            eventually("the runtime has a connection", || {
                rig.release(rig.acquire(&rig.lock("first")).unwrap()).unwrap();
                pair.proxy.accepted() > 1
            });
        }
        let lock = |name: &str| rig.lock(name).wait(LONG);
        let [kept, removed] =
            ["kept", "removed"].map(|name| rig.acquire(&lock(name).lease(ms(3_000))).unwrap());
        // Another process holds this one, and this process waits for it.
        let elsewhere = Rig { client: pair.client(), api };
        let foreign = elsewhere.acquire(&lock("waited for").lease(ms(3_000))).unwrap();
        thread::scope(|scope| {
            let handle = in_runtime.then(|| runtime.handle().clone());
            let (rig, lock) = (&rig, &lock);
            let spawn = |name: &'static str| {
                let handle = handle.clone();
                scope.spawn(move || {
                    let _inside = handle.as_ref().map(|handle| handle.enter());
                    let guard = rig.acquire(&lock(name)).unwrap();
                    (guard, Instant::now())
                })
            };
            let waiter = spawn("waited for");
            eventually("it waits", || pair.old.info("clients")["tracking_clients"] != "0");
            pair.demote();
            assert_eq!(pair.new.command(&["DEL", removed.record_key()]).int(), Some(1));
            let refused = refusals(&pair.old);
            let fresh = spawn("fresh");
            eventually("it is refused, and asks again", || refusals(&pair.old) > refused + 2);
            let switched = pair.switch();
            let (fresh, at) = fresh.join().unwrap();
            assert!(at - switched < SOON, "{api:?}: {:?}", at - switched);
            assert_eq!(pair.new.command(&["EXISTS", fresh.record_key()]).int(), Some(1));
            // The release of the other process reaches the new primary, which tells the waiter.
            let (released, took) = timed(|| elsewhere.release(foreign));
            assert!(took < SOON, "{took:?}");
            if let Err(error) = released {
                assert!(
                    error.kind() == ErrorKind::Backend && error.is_retryable(),
                    "not released yet: {error}"
                );
            }
            let (granted, _) = waiter.join().unwrap();
            assert_eq!(pair.new.command(&["EXISTS", granted.record_key()]).int(), Some(1));
            await_renewal(&kept);
            eventually("the loss is noticed", || !removed.is_held());
            for guard in [fresh, granted, kept] {
                rig.release(guard).unwrap();
            }
            assert_eq!(rig.release(removed).unwrap_err().kind(), ErrorKind::Lost);
        });
    }
}

/// What a replica lacks may be at the primary, whose records it may not have yet.
#[test]
fn a_replica_without_the_record_does_not_end_a_lock() {
    for api in [Api::Blocking, Api::Async] {
        let pair = Pair::new();
        let rig = Rig { client: pair.client(), api };
        let [held, released] =
            ["held", "released"].map(|name| rig.acquire(&rig.lock(name).lease(ms(9_000))).unwrap());
        let records = [held.record_key(), released.record_key()].map(str::to_owned);
        pair.new.await_writes_of(&pair.old);
        assert!(pair.new.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
        // The old one follows a server that has nothing.
        let empty = Server::start();
        pair.old.follow(&empty);
        let error = rig.release(released).unwrap_err();
        assert!(error.kind() == ErrorKind::Backend && error.is_retryable(), "not `Lost`: {error}");
        assert!(error.to_string().contains("is a replica by now"), "{error}");
        // Renewals begin after a third of the lease.
        eventually("renewals are refused", || held.held_for() > ms(4_000));
        assert!(held.is_held());
        pair.switch();
        eventually("it is released in the background", || {
            pair.new.command(&["GET", &*records[1]]).text().is_some_and(|record| record.ends_with(",1"))
        });
        await_renewal(&held);
        rig.release(held).unwrap();
        let record = pair.new.command(&["GET", &*records[0]]);
        assert!(record.text().is_some_and(|record| record.ends_with(",1")), "{record:?}");
    }
}

/// Many callers are refused at once, again and again, as long as the address leads to the old primary.
#[test]
fn connections_are_not_closed_by_every_refusal() {
    let pair = Pair::new();
    let client = pair.client();
    client.ping_blocking().unwrap();
    pair.demote();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let started = Instant::now();
    let before = (pair.proxy.accepted(), refusals(&pair.old));
    let callers: Vec<_> = (0..64)
        .map(|number| {
            let lock = client.lock(("many", number)).wait(LONG);
            runtime.spawn(async move { lock.acquire().await.unwrap().release().await.unwrap() })
        })
        .collect();
    eventually("there are many refusals", || refusals(&pair.old) > before.1 + 640);
    let epochs = u64::try_from(started.elapsed().as_millis()).unwrap() / 200 + 2;
    let opened = pair.proxy.accepted() - before.0;
    assert!(opened <= epochs * 4, "{opened} connections in {epochs} epochs");
    pair.switch();
    runtime.block_on(async {
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// What all kinds of trouble have in common. `begin` brings it about, and `end` ends it.
fn trouble(server: &Server, client: &Client, says: &[&str], begin: impl Fn(), end: impl Fn()) {
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        // A record of the past, of which there is a fencing token.
        rig.release(rig.acquire(&rig.lock("key")).unwrap()).unwrap();
        let held = rig.acquire(&rig.lock("held").lease(LONG)).unwrap();
        begin();
        for error in [
            rig.acquire(&rig.lock("key").wait(Duration::ZERO)).unwrap_err(),
            rig.try_acquire(&rig.lock("key").wait(ms(100))).unwrap_err(),
            rig.forget(&rig.lock("key").wait(ms(100))).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
            assert!(error.is_retryable(), "{error}");
            let text = error.to_string();
            assert!(says.iter().all(|says| text.contains(says)), "{text}");
        }
        thread::scope(|scope| {
            let waits = scope.spawn(|| rig.acquire(&rig.lock("key").wait(LONG)));
            let forgets = scope.spawn(|| rig.forget(&rig.lock("forgotten").wait(LONG)));
            let computes = scope.spawn(|| computed(&rig.client, &format!("{api:?}")));
            // They have time to fail.
            let refused = server.info("stats")["total_error_replies"].parse::<u64>().unwrap();
            eventually("they ask again", || {
                server.info("stats")["total_error_replies"].parse::<u64>().unwrap() > refused + 20
            });
            assert!(!waits.is_finished() && !forgets.is_finished() && !computes.is_finished());
            end();
            rig.release(waits.join().unwrap().unwrap()).unwrap();
            assert!(!forgets.join().unwrap().unwrap());
            assert!(computes.join().unwrap().is_ok());
        });
        assert!(held.is_held());
        rig.release(held).unwrap();
    }
}

static COMPUTED: AtomicU32 = AtomicU32::new(0);

#[dspinlock(client = client, key = key, cached, wait = "30s")]
fn computed(client: &Client, key: &str) -> Result<u32, Error> {
    Ok(COMPUTED.fetch_add(1, Ordering::SeqCst))
}

#[test]
fn a_replica_that_has_lost_its_primary_is_asked_again() {
    let server = Server::start_with(&["--replica-serve-stale-data", "no"]);
    let client = Client::connect(&server.url()).unwrap();
    let follow = |words: [&str; 2]| assert!(server.command(&["REPLICAOF", words[0], words[1]]).is_ok());
    trouble(
        &server,
        &client,
        &["Link with MASTER is down", "a replica that has lost its primary"],
        || follow(["127.0.0.1", "1"]),
        || follow(["NO", "ONE"]),
    );
}

#[test]
fn a_server_that_is_loading_its_data_is_asked_again() {
    let small_steps = ["--loading-process-events-interval-bytes", "1024"];
    let server = Arc::new(Server::start_with(&[&small_steps[..], &["--key-load-delay", "5000"]].concat()));
    let client = Client::connect(&server.url()).unwrap();
    let mut connection = server.connect().unwrap();
    for number in 0..2_000 {
        let key = format!("data {number}");
        assert!(connection.command(&["SET", &key, &"x".repeat(1024)]).unwrap().is_ok());
    }
    let restarting = Mutex::new(None);
    let begin = || {
        assert!(server.command(&["SAVE"]).is_ok());
        server.kill();
        let restarted = Arc::clone(&server);
        *restarting.lock().unwrap() = Some(thread::spawn(move || restarted.restart()));
        eventually("it is loading", || {
            let answer = server.connect().and_then(|mut connection| connection.command(&["PING"]));
            answer.is_ok_and(|answer| format!("{answer:?}").contains("LOADING"))
        });
        // A new process is another server to the connections of the last one: the first calls find them broken.
        let asked = client.ping_blocking().unwrap_err();
        assert!(asked.is_retryable(), "{asked}");
    };
    let end = || {
        assert!(server.command(&["CONFIG", "SET", "key-load-delay", "0"]).is_ok());
        restarting.lock().unwrap().take().expect("it was restarted").join().unwrap();
        assert!(server.command(&["CONFIG", "SET", "key-load-delay", "5000"]).is_ok());
    };
    trouble(&server, &client, &["loading the dataset", "still loading its data"], begin, end);
}

/// All slots of a cluster, as a command has them.
fn all_slots(command: &str) -> Vec<String> {
    ["CLUSTER", command]
        .into_iter()
        .map(str::to_owned)
        .chain((0..16_384).map(|slot| slot.to_string()))
        .collect()
}

/// A node that has all slots.
fn node() -> Server {
    let node = Server::start_with(&["--cluster-enabled", "yes"]);
    assert!(node.command(&all_slots("ADDSLOTS")).is_ok());
    eventually("the cluster is up", || {
        node.command(&["CLUSTER", "INFO"]).text().is_some_and(|info| info.contains("cluster_state:ok"))
    });
    node
}

#[test]
fn a_cluster_without_a_primary_for_the_slot_is_asked_again() {
    let node = node();
    let client = Client::connect(&node.url()).unwrap();
    trouble(
        &node,
        &client,
        &["Hash slot not served", "the cluster is electing a primary"],
        || assert!(node.command(&all_slots("DELSLOTS")).is_ok()),
        || assert!(node.command(&all_slots("ADDSLOTS")).is_ok()),
    );
}

/// The lock's fencing token is still at the source, and its record, which is not there, might be at the target.
#[test]
fn a_slot_on_its_way_to_another_node_is_asked_again() {
    let (source, target) = (node(), Server::start_with(&["--cluster-enabled", "yes"]));
    let client = Client::connect(&source.url()).unwrap();
    assert!(source.command(&["CLUSTER", "MEET", "127.0.0.1", &target.port().to_string()]).is_ok());
    let id = target.command(&["CLUSTER", "MYID"]).text().expect("an id").to_owned();
    eventually("they know each other", || {
        source.command(&["CLUSTER", "NODES"]).text().is_some_and(|nodes| nodes.contains(&id))
    });
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        let guard = rig.acquire(&rig.lock("moves")).unwrap();
        let slot = source.command(&["CLUSTER", "KEYSLOT", guard.record_key()]).int().unwrap().to_string();
        // The record goes, the fencing token stays.
        rig.abandon(guard).unwrap();
        assert!(source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id]).is_ok());
        let error = rig.acquire(&rig.lock("moves").wait(Duration::ZERO)).unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("moving these keys"), "{error}");
        thread::scope(|scope| {
            let waits = scope.spawn(|| rig.acquire(&rig.lock("moves").wait(LONG)));
            let asked = source.calls("evalsha");
            let rejected = || source.info("errorstats")["errorstat_TRYAGAIN"].clone();
            let before = rejected();
            eventually("it asks again", || rejected() != before);
            assert!(!waits.is_finished() && source.calls("evalsha") == asked, "no script has run");
            assert!(source.command(&["CLUSTER", "SETSLOT", &slot, "STABLE"]).is_ok());
            rig.release(waits.join().unwrap().unwrap()).unwrap();
        });
    }
}

/// A failure that passes counts as one for functions that run without the lock then.
#[test]
fn a_function_that_may_runs_without_the_lock_once_its_time_is_over() {
    let server = Server::start_with(&["--replica-serve-stale-data", "no"]);
    let client = Client::connect(&server.url()).unwrap();
    client.ping_blocking().unwrap();
    assert!(server.command(&["REPLICAOF", "127.0.0.1", "1"]).is_ok());
    let (ran, took) = timed(|| unlocked(&client));
    assert!(ran.unwrap());
    assert!(took >= ms(200), "the server had its time: {took:?}");
}

#[dspinlock(client = client, key = (), wait = "200ms", on_outage = "run_unlocked")]
fn unlocked(client: &Client) -> Result<bool, Error> {
    Ok(true)
}
