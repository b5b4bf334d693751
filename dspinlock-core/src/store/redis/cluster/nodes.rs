//! The primaries of a cluster, and which of them has which slot.

use super::slots::Ranges;
use crate::error::Result;
use crate::format::scheme::slot::{SLOTS, slot};
use crate::host::Host;
use crate::store::Wakeups;
use crate::store::redis::contact::Contacts;
use crate::store::redis::one::Redis;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A node, with connections, a circuit and a clock of its own.
pub(super) struct Node {
    pub(super) address: Host,
    pub(super) redis: Redis,
}

/// Makes what stands for the node at an address. It connects to nothing yet.
pub(super) type Make = dyn Fn(&Host) -> Result<Redis> + Send + Sync;

/// The nodes that are known. A node that has no slot any more is dropped with the last request that is on its way to it.
pub(super) struct Nodes {
    make: Box<Make>,
    wakeups: Wakeups,
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    /// The primary of each slot; empty before the first answer.
    owners: Vec<Option<Arc<Node>>>,
    by_address: HashMap<Host, Arc<Node>>,
}

impl Map {
    fn node(&mut self, address: &Host, make: &Make) -> Result<Arc<Node>> {
        if let Some(node) = self.by_address.get(address) {
            return Ok(Arc::clone(node));
        }
        let node = Arc::new(Node { address: address.clone(), redis: make(address)? });
        self.by_address.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }
}

impl Nodes {
    pub(super) fn new(make: Box<Make>, wakeups: Wakeups) -> Self {
        Self { make, wakeups, map: Mutex::default() }
    }

    /// Whether the slots are known.
    pub(super) fn are_known(&self) -> bool {
        !lock(&self.map).owners.is_empty()
    }

    /// The primary that has this slot, as far as it is known.
    pub(super) fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        lock(&self.map).owners.get(usize::from(slot)).cloned().flatten()
    }

    /// All primaries that have slots, the one first that answered last.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        let mut all: Vec<_> = lock(&self.map).by_address.values().cloned().collect();
        all.sort_by_cached_key(|node| node.redis.server.is_troubled());
        all
    }

    /// The primaries that have slots, by their addresses, for tools that look at them.
    pub(super) fn contacts(&self) -> Contacts {
        let owners = lock(&self.map).owners.clone();
        Contacts::of_slots(owners.iter().map(|owner| owner.as_ref().map(|node| &node.redis.server)))
    }

    /// The node at an address, made if it is not known.
    ///
    /// # Errors
    ///
    /// `Config` for an address that can't be used.
    pub(super) fn at(&self, address: &Host) -> Result<Arc<Node>> {
        lock(&self.map).node(address, &*self.make)
    }

    /// A node to ask once. It is dropped afterwards if it turns out to have no slots under this address.
    pub(super) fn seed(&self, address: &Host) -> Result<Arc<Node>> {
        if let Some(node) = lock(&self.map).by_address.get(address) {
            return Ok(Arc::clone(node));
        }
        Ok(Arc::new(Node { address: address.clone(), redis: (self.make)(address)? }))
    }

    /// Takes in that a slot belongs to the node at this address. Returns it, and whether that is news.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub(super) fn moved(&self, moved: u16, address: &Host) -> Result<(Arc<Node>, bool)> {
        let mut map = lock(&self.map);
        let node = map.node(address, &*self.make)?;
        let before = match map.owners.get_mut(usize::from(moved)) {
            Some(owner) => owner.replace(Arc::clone(&node)),
            None => None,
        };
        drop(map);
        let is_news = before.is_none_or(|before| !Arc::ptr_eq(&before, &node));
        if is_news {
            self.wakeups.wake_where(|key| slot(key) == moved);
        }
        Ok((node, is_news))
    }

    /// Takes in who has all the slots. Listeners for keys in slots that have moved look again, and ask the new owner for
    /// wake-ups. `asked` is the node that has said so: its connections are kept if it has slots.
    pub(super) fn apply(&self, ranges: Ranges, asked: Arc<Node>) {
        let mut map = lock(&self.map);
        map.by_address.entry(asked.address.clone()).or_insert(asked);
        let mut fresh = Map { owners: vec![None; SLOTS.into()], by_address: HashMap::new() };
        for (range, address) in ranges {
            let node = match map.node(&address, &*self.make) {
                Ok(node) => node,
                Err(error) => {
                    tracing::warn!(target: "dspinlock", %error, %address, "a node of the cluster has an address that can't be used");
                    continue;
                }
            };
            for owner in
                fresh.owners.iter_mut().take(usize::from(*range.end()) + 1).skip((*range.start()).into())
            {
                *owner = Some(Arc::clone(&node));
            }
            fresh.by_address.insert(address, node);
        }
        let has_moved = |(before, now): (&Option<Arc<Node>>, &Option<Arc<Node>>)| match (before, now) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            (before, now) => before.is_some() != now.is_some(),
        };
        let moved: Vec<bool> = map.owners.iter().zip(&fresh.owners).map(has_moved).collect();
        // After the lock: this may close connections.
        let before = std::mem::replace(&mut *map, fresh);
        drop(map);
        if moved.contains(&true) {
            self.wakeups.wake_where(|key| moved[usize::from(slot(key))]);
        }
        drop(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::link::Limits;
    use crate::store::redis::link::testing::Answers;
    use crate::store::redis::server::{Peer, Server};
    use crate::worker::Worker;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    fn at(port: u16) -> Host {
        Host::new("node", port)
    }

    fn nodes() -> Nodes {
        let (worker, wakeups) = (Worker::get().unwrap(), Wakeups::default());
        let limits =
            Limits { connect_timeout: Duration::ZERO, response_timeout: Duration::ZERO, pool_size: 0 };
        let server = move |address: &Host| {
            Server::new(
                Answers { is_current: true },
                worker.clone(),
                limits,
                Peer::named(&address.to_string()),
                Wakeups::default(),
            )
        };
        Nodes::new(Box::new(move |address| Ok(Redis::new(server(address)))), wakeups)
    }

    /// The slots of `foo` and `somekey` are 12,182 and 11,058.
    const HALVES: [std::ops::RangeInclusive<u16>; 2] = [0..=11_999, 12_000..=16_383];

    fn halves(first: u16, second: u16) -> Ranges {
        HALVES.into_iter().zip([at(first), at(second)]).collect()
    }

    fn is_woken(listener: &mut crate::store::Listener) -> bool {
        pin!(listener.changed()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_node_lives_as_long_as_it_has_a_slot() {
        let nodes = nodes();
        assert!(!nodes.are_known() && nodes.owner(0).is_none());
        let seed = nodes.seed(&at(1)).unwrap();
        nodes.apply(halves(1, 2), Arc::clone(&seed));
        assert!(Arc::ptr_eq(&nodes.owner(11_999).unwrap(), &seed), "the connections of the seed are kept");
        drop(seed);
        let [first, second] = [0, 16_383].map(|slot| Arc::downgrade(&nodes.owner(slot).unwrap()));
        nodes.apply(halves(3, 2), nodes.at(&at(2)).unwrap());
        assert!(first.upgrade().is_none() && second.upgrade().is_some());
        // A seed under another name is asked once.
        let other = nodes.seed(&at(9)).unwrap();
        let gone = Arc::downgrade(&other);
        nodes.apply(halves(3, 2), other);
        assert!(gone.upgrade().is_none());
        assert_eq!(nodes.all().len(), 2);
        // Slots that nobody serves.
        nodes.apply(halves(3, 2)[..1].to_vec(), nodes.at(&at(3)).unwrap());
        assert!(nodes.owner(16_383).is_none() && nodes.owner(0).is_some() && second.upgrade().is_none());
    }

    #[test]
    fn listeners_wake_when_their_slot_moves_and_only_then() {
        let nodes = nodes();
        let [mut foo, mut some] = ["foo", "somekey"].map(|key| nodes.wakeups.listen(key));
        nodes.apply(halves(1, 2), nodes.seed(&at(1)).unwrap());
        assert!(!is_woken(&mut foo) && !is_woken(&mut some), "they were known to nobody before");
        let (node, is_news) = nodes.moved(12_182, &at(1)).unwrap();
        assert!(is_news && is_woken(&mut foo) && !is_woken(&mut some));
        assert!(!nodes.moved(12_182, &at(1)).unwrap().1 && !is_woken(&mut foo));
        nodes.apply(halves(1, 2), node);
        assert!(is_woken(&mut foo) && !is_woken(&mut some), "it moved back");
        nodes.apply(halves(2, 2), nodes.at(&at(2)).unwrap());
        assert!(!is_woken(&mut foo) && is_woken(&mut some));
    }
}
