//! The primaries of a cluster, and which of them has which slot.

use super::slots::{Address, Ranges};
use crate::error::Result;
use crate::format::scheme::slot::{SLOTS, slot};
use crate::store::Wakeups;
use crate::store::redis::Redis;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A node, with connections, a circuit and a clock of its own.
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) redis: Redis,
}

/// Makes what stands for the node at an address. It connects to nothing yet.
pub(super) type Make = dyn Fn(&Address) -> Result<Redis> + Send + Sync;

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
    by_address: HashMap<Address, Arc<Node>>,
}

impl Map {
    fn node(&mut self, address: &Address, make: &Make) -> Result<Arc<Node>> {
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

    /// The node at an address, made if it is not known.
    ///
    /// # Errors
    ///
    /// `Config` for an address that can't be used.
    pub(super) fn at(&self, address: &Address) -> Result<Arc<Node>> {
        lock(&self.map).node(address, &*self.make)
    }

    /// A node to ask once. It is dropped afterwards if it turns out to have no slots under this address.
    pub(super) fn seed(&self, address: &Address) -> Result<Arc<Node>> {
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
    pub(super) fn moved(&self, moved: u16, address: &Address) -> Result<(Arc<Node>, bool)> {
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
