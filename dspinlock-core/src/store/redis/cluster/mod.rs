//! Redis Cluster: each request goes to the primary that has the slot of its lock.
//!
//! | file | what is there |
//! | --- | --- |
//! | `slots` | what nodes say of the slots, without I/O |
//! | `nodes` | the primaries, and which of them has which slot |
//! | `map` | asks for the slots: at first use, and when a node fails or sends a request elsewhere |
//! | `trip` | one request from node to node, without I/O |
//! | `router` | sends it |
//! | here | which way each kind of request goes |
//!
//! Each primary is a [`Redis`] like any other, with connections, a circuit and a clock of its own. The wake-ups are shared:
//! whichever node notifies, the listener of the key wakes.

mod map;
mod nodes;
mod router;
mod slots;
mod trip;

use super::contact::Contacts;
use super::dial::Dialer;
use super::link::Limits;
use super::one::{Redis, SMALL};
use super::own::Own;
use super::server::{Peer, Server};
use crate::error::Result;
use crate::format::scheme::Names;
use crate::host::Host;
use crate::store::backend::{Answer, Backend, Look, Reply, Request, Sending};
use crate::store::{Clock, NotSent, Renew, Sent, Wakeups};
use crate::worker::Worker;
use bytes::Bytes;
use map::SlotMap;
use router::{Door, Router};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Makes what connects to the node at an address.
type DialerOf = dyn Fn(&Host) -> Result<Dialer> + Send + Sync;

/// What a cluster is made of.
pub(crate) struct Origin {
    /// The nodes to ask first. One that answers is enough.
    pub(crate) seeds: Vec<Host>,
    /// How a node is connected to.
    pub(crate) dialer: Box<DialerOf>,
    pub(crate) limits: Limits,
    /// Whether the nodes are asked to push changes.
    pub(crate) tracks: bool,
    pub(crate) worker: Worker,
    /// Never shown, although a refusal of a node may repeat it.
    pub(crate) secret: Option<String>,
    /// Where the addresses came from, as a server shows it.
    pub(crate) given_in: &'static str,
    pub(crate) wakeups: Wakeups,
}

/// A cluster.
pub(super) struct Cluster {
    router: Router,
    /// Stands for the clock of a node that is not known yet.
    unknown: Arc<Clock>,
}

impl Cluster {
    pub(super) fn new(origin: Origin) -> Self {
        let Origin { seeds, dialer, limits, tracks, worker, secret, given_in, wakeups } = origin;
        let make = {
            let (worker, wakeups) = (worker.clone(), wakeups.clone());
            move |address: &Host| {
                let own = Own::new(dialer(address)?, limits, tracks, &worker, wakeups.clone());
                let name = format!("redis at {address}");
                let peer = Peer { name: &name, origin: given_in, secret: secret.as_deref() };
                let server = Server::new(own, worker.clone(), limits, peer, wakeups.clone());
                Ok(Redis::new(server))
            }
        };
        let nodes = nodes::Nodes::new(Box::new(make), wakeups);
        let map = Arc::new(SlotMap::new(nodes, seeds, worker.clone(), limits));
        Self { router: Router { map, worker, limits }, unknown: Arc::default() }
    }

    /// Asks every primary for a sign of life.
    async fn ping(&self, door: Door) -> Result<Answer> {
        self.router.known(door).await?;
        for node in self.router.map.nodes.all() {
            let answer = router::send(&node, Request::Ping, door, false, false).await;
            answer.map_err(|failure| self.router.map.note(failure))?;
        }
        Ok(ALIVE)
    }

    /// Renews locks: on the library's thread, those of one node by one write.
    async fn renew(&self, renew: &Renew<'_>, door: Door) -> Result<Answer> {
        self.router.known(door).await?;
        let mut renewed = vec![None; renew.0.len()];
        let mut by_node = BTreeMap::new();
        for (at, one) in renew.0.iter().enumerate() {
            if let Some(node) = self.router.map.nodes.owner(one.names.hash_slot) {
                by_node.entry(Arc::as_ptr(&node).addr()).or_insert_with(|| (node, Vec::new())).1.push(at);
            }
        }
        for (node, which) in
            by_node.into_values().filter(|(_, which)| door == Door::Library && which.len() > 1)
        {
            let part = Renew(which.iter().map(|&at| renew.0[at]).collect());
            let replies =
                node.redis.renew_each(&part).await.map_err(|failure| self.router.map.note(failure))?;
            for (at, reply) in which.into_iter().zip(replies) {
                renewed[at] = reply;
            }
        }
        // The rest are alone on their nodes, or have moved.
        for at in 0..renewed.len() {
            if renewed[at].is_some() {
                continue;
            }
            let alone = Renew(vec![renew.0[at]]);
            match self.router.go(Request::Renew(&alone), renew.0[at].names, door, false).await {
                Ok(answer) => renewed[at] = Some(is_renewed(&answer)),
                // What is known of the others counts. They are asked for again, and not each for as long as this one.
                Err(_) if renewed.iter().any(Option::is_some) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(answer(Reply::Renewed(renewed)))
    }

    async fn answer(&self, request: Request<'_>, door: Door, track: bool) -> Result<Answer> {
        match (request, request.names()) {
            (_, Some(names)) => self.router.go(request, names, door, track).await,
            (Request::Renew(renew), _) => self.renew(renew, door).await,
            _ => self.ping(door).await,
        }
    }
}

const ALIVE: Answer = answer(Reply::Alive);

const fn answer(reply: Reply) -> Answer {
    Answer { reply, tracked: false, repeated: false }
}

fn is_renewed(answer: &Answer) -> bool {
    matches!(&answer.reply, Reply::Renewed(renewed) if renewed.contains(&Some(true)))
}

impl Backend for Cluster {
    fn send<'a>(&'a self, request: Request<'a>, track: bool) -> Sending<'a, Result<Answer>> {
        Sending::Waiting(Box::pin(self.answer(request, Door::Library, track)))
    }

    fn send_here<'a>(&'a self, request: Request<'a>) -> Sending<'a, Result<Answer>> {
        Sending::Waiting(Box::pin(self.answer(request, Door::Task, false)))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        pollster::block_on(self.answer(request, Door::Thread, false))
    }

    fn clock(&self, names: &Names) -> Arc<Clock> {
        let owner = self.router.map.nodes.owner(names.hash_slot);
        Arc::clone(owner.as_ref().map_or(&self.unknown, |node| &node.redis.server.clock))
    }

    fn place(&self, names: &Names) -> usize {
        self.router.map.nodes.owner(names.hash_slot).map_or(0, |node| Arc::as_ptr(&node).addr())
    }

    fn contacts(&self) -> Sending<'_, Result<Contacts>> {
        Sending::Waiting(Box::pin(async move {
            // Tools are used while slots move and nodes fail: what was known before does not count.
            self.router.map.load().await?;
            Ok(self.router.map.nodes.contacts())
        }))
    }

    fn patience(&self) -> Duration {
        // The last node is asked before a reply is late.
        self.router.limits.response_timeout + self.router.limits.patience()
    }

    fn send_ahead<'a>(&'a self, names: &Names, value: Bytes) -> Sending<'a, Result<Sent, NotSent>> {
        if value.len() <= SMALL {
            return Sending::Done(Ok(Sent::With(value)));
        }
        let names = names.clone();
        Sending::Waiting(Box::pin(async move {
            // A small request finds out where the slot is by now.
            let found = self.router.go(Request::Look(Look::Read(&names)), &names, Door::Task, false).await;
            let node = match found {
                Ok(_) => self.router.owner(names.hash_slot, Door::Task).await,
                Err(error) => Err(error),
            };
            let node = node.map_err(|error| NotSent { why: error.to_string(), lasts: false })?;
            node.redis.send_ahead(&names, value).wait().await
        }))
    }

    fn read_on<'a>(
        &'a self,
        names: &Names,
        part: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Sending<'a, Result<Option<Vec<u8>>>> {
        let names = names.clone();
        Sending::Waiting(Box::pin(async move {
            let node = self.router.owner(names.hash_slot, Door::Task).await?;
            node.redis.read_on(&names, part, header, limit).wait().await
        }))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("limits", &self.router.limits).finish_non_exhaustive()
    }
}
