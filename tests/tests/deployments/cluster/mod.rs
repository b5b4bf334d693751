//! Redis Cluster: every primary has locks, and their slots move from one to another.

mod connections;
mod errors;
mod failing;
mod load;
mod moving;
mod secure;

use dspinlock::{Client, Guard};
use dspinlock_testkit::{Cluster, Connection, Reply, Server};
use dspinlock_tests::{Api, Rig, eventually};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Only a test that hangs takes so long.
const SOON: Duration = Duration::from_secs(30);
const APIS: [Api; 2] = [Api::Blocking, Api::Async];

/// One cluster of two primaries for many tests, each of which moves the slots of its own keys.
fn shared() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start_with(2, 0, MINUTE))
}

fn client(cluster: &Cluster) -> Client {
    Client::connect(&cluster.url()).unwrap()
}

/// The record's key of a lock.
fn record(key: &str) -> String {
    Client::memory().lock(key).record_key().unwrap().to_owned()
}

/// A key whose slot a node has.
fn key_on(cluster: &Cluster, node: usize, name: &str) -> String {
    let at = |key: &String| cluster.owner(cluster.slot(&record(key))) == node;
    (0..1_000).map(|number| format!("{name} {number}")).find(at).unwrap()
}

fn exists(node: &Server, key: &str) -> bool {
    node.command(&["EXISTS", key]).int() == Some(1)
}

/// How often a node has run a script.
fn looks(node: &Server) -> u64 {
    node.calls("evalsha") + node.calls("eval")
}

/// Starts a waiter for a lock that is held, and returns once it is noted as waiting. A message in the channel says that it got the
/// lock, and with which fencing token. By itself it looks at the key once in a minute.
fn waiter(cluster: &Cluster, client: &Client, key: &str, api: Api) -> mpsc::Receiver<u64> {
    let (send, receive) = mpsc::channel();
    let rig = Rig { client: client.clone(), api };
    let lock = client.lock(key).sleep(MINUTE).wait(MINUTE).lease(MINUTE);
    let record = record(key);
    let owner = &cluster.nodes()[cluster.owner(cluster.slot(&record))];
    thread::spawn(move || {
        let guard = rig.acquire(&lock).unwrap();
        let token = guard.fencing_token();
        rig.release(guard).unwrap();
        send.send(token).unwrap();
    });
    eventually("the waiter is noted", || exists(owner, &format!("{{{record}}}:wait")));
    receive
}

/// Waits until the record lives longer than it did: its lease was renewed. With `asking` the node does not have the slot yet.
fn await_renewal(node: &Server, record: &str, asking: bool) {
    let mut connection: Connection = node.connect().unwrap();
    let mut life = || {
        if asking {
            assert!(connection.command(&["ASKING"]).unwrap().is_ok());
        }
        match connection.command(&["PTTL", record]).unwrap() {
            Reply::Int(life) => life,
            refused => panic!("{refused:?}"),
        }
    };
    let mut last = life();
    assert!(last > 0, "the record is not there");
    eventually("a renewal", || {
        let now = life();
        let renewed = now > last;
        last = now;
        renewed
    });
}

fn hold(client: &Client, key: &str) -> Guard {
    client.lock(key).lease(MINUTE).acquire_blocking().unwrap()
}

#[test]
fn locks_on_every_node_exclude_by_both_doors_and_their_tokens_rise() {
    let cluster = shared();
    let (one, other) = (client(cluster), client(cluster));
    for node in 0..2 {
        let key = key_on(cluster, node, "excludes");
        let mut last = 0;
        for api in APIS {
            let (holder, waiting) = (Rig { client: one.clone(), api }, Rig { client: other.clone(), api });
            let guard = holder.acquire(&one.lock(&*key)).unwrap();
            assert!(guard.fencing_token() > last);
            assert!(waiting.try_acquire(&other.lock(&*key)).unwrap().is_none());
            last = guard.fencing_token();
            let got_it = waiter(cluster, &other, &key, api);
            holder.release(guard).unwrap();
            let token = got_it.recv_timeout(SOON).unwrap();
            assert!(token > last);
            last = token;
        }
    }
    one.ping_blocking().unwrap();
}
