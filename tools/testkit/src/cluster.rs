//! A private cluster for one test, example or tool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::resp::{Connection, Reply};
use crate::server::Server;

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// No test needs this long for a cluster to agree on something.
const AGREE_WITHIN: Duration = Duration::from_secs(60);

/// Primaries with replicas, on free ports of the loopback. All end when this value is dropped.
///
/// The first nodes are the primaries, and then come the replicas: the first replica of each primary, then the second ones.
///
/// ```
/// # use dspinlock_testkit::{Cluster, Reply};
/// let cluster = Cluster::start(2, 0);
/// let slot = cluster.slot("name");
/// let owner = &cluster.nodes()[cluster.owner(slot)];
/// assert!(owner.command(&["SET", "name", "value"]).is_ok());
/// let other = 1 - cluster.owner(slot);
/// cluster.migrate([slot], other);
/// assert_eq!(cluster.nodes()[other].command(&["GET", "name"]), Reply::Bytes(b"value".to_vec()));
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    ids: Vec<String>,
    /// Held while a slot changes its owner.
    ending: Mutex<()>,
}

/// A slot that is on its way from one node to another. Dropped before its [end](Self::end), it stays on its way.
#[derive(Debug)]
pub struct Migration<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: usize,
    to: usize,
}

impl Cluster {
    /// Starts a cluster and waits until all nodes agree that it serves all slots. A replica takes over for a primary that is
    /// silent for two seconds.
    ///
    /// # Panics
    /// If a node does not become ready, or they do not agree.
    pub fn start(primaries: usize, replicas_of_each: usize) -> Self {
        Self::start_with(primaries, replicas_of_each, Duration::from_secs(2))
    }

    /// [`Cluster::start`] with another time of silence before a replica takes over.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_with(primaries: usize, replicas_of_each: usize, node_timeout: Duration) -> Self {
        let timeout = node_timeout.as_millis().to_string();
        let options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            &timeout,
            "--repl-diskless-sync-delay",
            "0",
        ];
        let number = primaries * (1 + replicas_of_each);
        let nodes: Vec<Server> = thread::scope(|scope| {
            let starting: Vec<_> =
                (0..number).map(|_| scope.spawn(|| Server::start_with(&options))).collect();
            starting.into_iter().map(|node| node.join().expect("the node starts")).collect()
        });
        let ids = nodes.iter().map(|node| text(&node.command(&["CLUSTER", "MYID"])).to_owned()).collect();
        let cluster = Self { nodes, ids, ending: Mutex::default() };
        cluster.assign(primaries);
        cluster.meet();
        for replica in primaries..number {
            let primary = &cluster.ids[replica % primaries];
            assert!(cluster.nodes[replica].command(&["CLUSTER", "REPLICATE", primary]).is_ok());
        }
        let in_sync = |node: &Server| {
            let info = node.info("replication");
            info["role"] == "master" || info["master_link_status"] == "up"
        };
        cluster.agree("serve all slots", || {
            let all = cluster.nodes.iter();
            all.clone().all(|node| cluster_info(node)["cluster_state"] == "ok" && in_sync(node))
                && all.clone().all(|node| replicas(&node_table(node)) == number - primaries)
        });
        cluster
    }

    /// Gives each primary an equal part of the slots, and an epoch of its own.
    fn assign(&self, primaries: usize) {
        for (at, node) in self.nodes.iter().enumerate() {
            let epoch = (at + 1).to_string();
            assert!(node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).is_ok());
            let of_this = |slot: &u16| usize::from(*slot) * primaries / usize::from(SLOTS) == at;
            let slots: Vec<String> = (0..SLOTS).filter(of_this).map(|slot| slot.to_string()).collect();
            if at < primaries {
                let words: Vec<&str> =
                    ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
                assert!(node.command(&words).is_ok());
            }
        }
    }

    /// Introduces every node to every other: faster than by what they tell each other.
    fn meet(&self) {
        for node in &self.nodes {
            for other in self.nodes.iter().filter(|other| other.port() != node.port()) {
                assert!(node.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()]).is_ok());
            }
        }
        self.agree("know each other", || {
            self.nodes.iter().all(|node| {
                let table = node_table(node);
                table.len() == self.nodes.len() && table.values().all(|row| !row.flags.contains("handshake"))
            })
        });
    }

    /// Its address for a client: `redis-cluster://` and all nodes.
    pub fn url(&self) -> String {
        let places: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", places.join(","))
    }

    /// The nodes: primaries first, as they were at the start.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The slot of a key.
    ///
    /// # Panics
    /// If no node runs.
    pub fn slot(&self, key: &str) -> u16 {
        let slot = self.running().command(&["CLUSTER", "KEYSLOT", key]).int();
        slot.and_then(|slot| slot.try_into().ok()).expect("a slot")
    }

    /// The node that has a slot, by what most of those that run say.
    ///
    /// # Panics
    /// If no node has it.
    pub fn owner(&self, slot: u16) -> usize {
        let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            for (port, row) in node_table(node) {
                if row.slots.iter().any(|&(first, last)| (first..=last).contains(&slot)) {
                    *votes.entry(self.index(port)).or_default() += 1;
                }
            }
        }
        let (&owner, _) = votes.iter().max_by_key(|(_, votes)| **votes).expect("some node has the slot");
        owner
    }

    /// The nodes that have slots, by what a node says that runs.
    ///
    /// # Panics
    /// If no node runs.
    pub fn primaries(&self) -> Vec<usize> {
        let with_slots = node_table(self.running()).into_iter().filter(|(_, row)| !row.slots.is_empty());
        with_slots.map(|(port, _)| self.index(port)).collect()
    }

    /// Moves slots with their keys to the node with this index, one after the other.
    ///
    /// # Panics
    /// If a node refuses something.
    pub fn migrate(&self, slots: impl IntoIterator<Item = u16>, to: usize) {
        for slot in slots {
            let migration = self.begin(slot, to);
            migration.move_keys();
            migration.end();
        }
    }

    /// Begins to move a slot to the node with this index. No key is moved yet.
    ///
    /// # Panics
    /// If a node refuses, or the slot is there already.
    pub fn begin(&self, slot: u16, to: usize) -> Migration<'_> {
        let from = self.owner(slot);
        assert_ne!(from, to, "slot {slot} is there already");
        let migration = Migration { cluster: self, slot, from, to };
        migration.set(to, "IMPORTING", from);
        migration.set(from, "MIGRATING", to);
        migration
    }

    /// Kills the node with this index, and waits until another one has its slots; returns the index of that.
    ///
    /// # Panics
    /// If it has no slots, or nobody takes over.
    pub fn fail_over(&self, primary: usize) -> usize {
        let port = self.nodes[primary].port();
        let slot = node_table(&self.nodes[primary])[&port].slots.first().expect("it has slots").0;
        self.nodes[primary].kill();
        self.agree("replace a primary", || {
            let running = self.nodes.iter().filter(|node| node.pid().is_some());
            running.into_iter().all(|node| cluster_info(node)["cluster_state"] == "ok")
                && self.owner(slot) != primary
        });
        self.owner(slot)
    }

    /// Starts a node that was killed and whose slots another one has, and waits until all nodes know that it is a replica. It comes
    /// back with what it knew before, and takes itself for a primary until it has heard better.
    ///
    /// # Panics
    /// If it does not start, or they do not agree.
    pub fn rejoin(&self, node: usize) {
        self.nodes[node].restart();
        let port = self.nodes[node].port();
        self.agree("take a node that is back for a replica", || {
            let running = self.nodes.iter().filter(|node| node.pid().is_some());
            running.into_iter().all(|other| node_table(other)[&port].flags.contains("slave"))
        });
    }

    /// Has a replica take over from its primary, which lives on as a replica, and waits until all nodes have heard of it.
    ///
    /// # Panics
    /// If the node with this index is no replica, or they do not agree.
    pub fn hand_over(&self, replica: usize) {
        let node = &self.nodes[replica];
        assert!(node.command(&["CLUSTER", "FAILOVER"]).is_ok());
        self.agree("hand over", || {
            let running = self.nodes.iter().filter(|node| node.pid().is_some());
            running.into_iter().all(|other| !node_table(other)[&node.port()].slots.is_empty())
        });
    }

    fn running(&self) -> &Server {
        self.nodes.iter().find(|node| node.pid().is_some()).expect("some node runs")
    }

    fn index(&self, port: u16) -> usize {
        self.nodes.iter().position(|node| node.port() == port).expect("a node of this cluster")
    }

    fn agree(&self, on: &str, reached: impl Fn() -> bool) {
        let started = Instant::now();
        while !reached() {
            assert!(
                started.elapsed() < AGREE_WITHIN,
                "the nodes do not {on}: {:?}",
                node_table(self.running())
            );
            // Nodes tell nobody when they agree.
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Migration<'_> {
    /// The node that has the slot until the end.
    pub fn from(&self) -> &Server {
        &self.cluster.nodes[self.from]
    }

    /// The node that has it from then on.
    pub fn to(&self) -> &Server {
        &self.cluster.nodes[self.to]
    }

    /// Moves all keys that the slot has at present.
    ///
    /// # Panics
    /// If a node refuses.
    pub fn move_keys(&self) {
        let nodes = &self.cluster.nodes;
        let mut from = nodes[self.from].connect().expect("the node is there");
        let (slot, port) = (self.slot.to_string(), nodes[self.to].port().to_string());
        loop {
            let found = ask(&mut from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            let Reply::List(keys) = found else { panic!("keys of a slot: {found:?}") };
            let keys: Vec<&str> = keys.iter().map(text).collect();
            if keys.is_empty() {
                return;
            }
            // A replica that was behind when it took over may still have what had moved away before; the owner's keys count.
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "REPLACE", "KEYS"];
            words.extend(keys);
            match ask(&mut from, &words) {
                Reply::Status(_) => {}
                refused => panic!("a node does not migrate: {refused:?}"),
            }
        }
    }

    /// Gives the slot to the node that it was on its way to.
    ///
    /// # Panics
    /// If a node refuses.
    pub fn end(self) {
        let cluster = self.cluster;
        // One slot at a time, and the next one when all nodes know of it: two nodes that get slots at once may end up with each
        // believing that the other one has a slot.
        let _one_at_a_time = cluster.ending.lock().unwrap_or_else(PoisonError::into_inner);
        // The new owner first: otherwise there is a moment in which nobody has it.
        self.set(self.to, "NODE", self.to);
        self.set(self.from, "NODE", self.to);
        let running = || cluster.nodes.iter().filter(|node| node.pid().is_some());
        cluster.agree("know the epoch", || {
            let epochs: BTreeSet<String> =
                running().map(|node| cluster_info(node)["cluster_current_epoch"].clone()).collect();
            epochs.len() == 1
        });
    }

    fn set(&self, at: usize, state: &str, other: usize) {
        let (slot, id) = (self.slot.to_string(), &self.cluster.ids[other]);
        let reply = self.cluster.nodes[at].command(&["CLUSTER", "SETSLOT", &slot, state, id]);
        assert!(reply.is_ok(), "SETSLOT {slot} {state}: {reply:?}");
    }
}

/// What one node knows of another.
#[derive(Debug)]
struct Row {
    flags: String,
    slots: Vec<(u16, u16)>,
}

/// What a node knows of all nodes, by their ports.
fn node_table(node: &Server) -> BTreeMap<u16, Row> {
    let reply = node.command(&["CLUSTER", "NODES"]);
    let row = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let port = words.get(1)?.split(['@', ',']).next()?.rsplit(':').next()?.parse().ok()?;
        // A slot on its way is in brackets.
        let ranges = words.iter().skip(8).filter(|word| !word.starts_with('['));
        let slots = ranges.filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some((port, Row { flags: (*words.get(2)?).to_owned(), slots: slots.collect() }))
    };
    text(&reply).lines().filter_map(row).collect()
}

fn replicas(table: &BTreeMap<u16, Row>) -> usize {
    table.values().filter(|row| row.flags.contains("slave")).count()
}

fn cluster_info(node: &Server) -> BTreeMap<String, String> {
    let reply = node.command(&["CLUSTER", "INFO"]);
    let fields = text(&reply).lines().filter_map(|line| line.trim().split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn ask(connection: &mut Connection, words: &[&str]) -> Reply {
    connection.command(words).unwrap_or_else(|error| panic!("a node does not answer: {error}"))
}

fn text(reply: &Reply) -> &str {
    reply.text().unwrap_or_else(|| panic!("a node answered {reply:?}"))
}
