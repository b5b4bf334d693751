//! Redis and Valkey: each request is one script or one command.
//!
//! | file | what is there |
//! | --- | --- |
//! | `requests`, `replies`, `scripts` | the words of Redis, without I/O |
//! | `link` | what a connection must do |
//! | `dial` | opens connections, and says which are still good |
//! | `own` with `shared`, `runtimes`, `pool` | connections of the library: for its own thread, for async and for blocking callers |
//! | `borrowed` | connections that users bring |
//! | `server` | sends batches: scripts, outages, errors |
//! | `pieces` | large values |
//! | `cluster` | the nodes of a cluster, each a server as above |

mod advice;
mod borrowed;
mod circuit;
mod cluster;
mod dial;
mod link;
mod own;
mod pieces;
mod pool;
mod refusal;
mod replies;
mod requests;
mod runtimes;
mod scripts;
mod server;
mod shared;

use crate::clock::Tick;
use crate::error::Result;
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Backend, Look, Request, Sending};
use crate::store::{Clock, Extent, Hit, NotSent, Renew, Sent, Store, Wakeups};
use crate::worker::Worker;
use bytes::Bytes;
use cluster::Cluster;
use link::{Batch, Lane};
use pieces::Pieces;
use server::{Exchanged, Failure, Server};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) use borrowed::{AsyncLink, BlockingLink};
pub(crate) use cluster::{Address, Origin};
pub(crate) use dial::Dialer;
pub(crate) use link::{Limits, Link};
pub(crate) use own::Own;

/// How many shares of plain reads of values are on their way at a time: more would wait for each other in the server's buffers,
/// and past the time limit of a reply, and would keep the server from locks while it copies them.
const SHARES: usize = 32;

/// How many bytes one share stands for: 2 MB in all.
const SHARE: usize = 64 << 10;

/// The most bytes of a value that goes with the release of its lock.
const SMALL: usize = 16 << 10;

/// One server.
struct Redis {
    server: Server,
    pieces: Pieces,
    /// The shares that are free.
    hits: Semaphore,
}

/// A store at the other end of `link`, whose pushes arrive at `wakeups`. `name` is the server's address, as people may see it;
/// `secret` is kept out of every message.
pub(crate) fn store(
    link: impl Link,
    worker: Worker,
    limits: Limits,
    name: &str,
    secret: Option<&str>,
    wakeups: Wakeups,
) -> Store {
    let server = Server::new(link, worker, limits, name, secret, wakeups.clone());
    Store::new(Redis::new(server), wakeups)
}

/// A store on the nodes of a cluster.
pub(crate) fn cluster(origin: Origin) -> Store {
    let wakeups = origin.wakeups.clone();
    Store::new(Cluster::new(origin), wakeups)
}

impl Redis {
    fn new(server: Server) -> Self {
        let pieces = Pieces::new(server.clone());
        Self { server, pieces, hits: Semaphore::new(SHARES) }
    }

    /// Sends a request from the library's I/O thread; see [`Backend::send`].
    async fn answer(&self, request: Request<'_>, track: bool, asking: bool) -> Result<Answer, Failure> {
        let mut batch = self.batch(request, asking);
        if track && batch.lane == Lane::Values {
            batch.lane = Lane::Copies;
        }
        self.server.pass(&batch)?;
        let _on_its_way =
            if batch.lane.is_for_hits() { self.hits.acquire_many(shares(request)).await.ok() } else { None };
        let sent = Tick::now();
        self.read(request, sent, self.server.exchange(&batch, track).await?)
    }

    /// Renews several locks by one write; `None` for each that the server did not answer for.
    async fn renew_each(&self, renew: &Renew<'_>) -> Result<Vec<Option<bool>>, Failure> {
        let exchanged = self.server.exchange(&requests::renew_each(renew), false).await?;
        Ok(replies::renewed_each(exchanged.value))
    }

    /// Sends a request from the caller's own task.
    async fn answer_here(&self, request: Request<'_>, asking: bool) -> Result<Answer, Failure> {
        let (batch, sent) = (self.batch(request, asking), Tick::now());
        self.read(request, sent, self.server.exchange_here(batch).await?)
    }

    fn answer_blocking(&self, request: Request<'_>, asking: bool) -> Result<Answer, Failure> {
        let (batch, sent) = (self.batch(request, asking), Tick::now());
        self.read(request, sent, self.server.exchange_blocking(batch)?)
    }

    fn batch(&self, request: Request<'_>, asking: bool) -> Batch {
        Batch { asking, ..requests::batch(request, self.server.limits) }
    }

    fn read(&self, request: Request<'_>, sent: Tick, exchanged: Exchanged) -> Result<Answer, Failure> {
        let Exchanged { value, repeated, tracked } = exchanged;
        let reply = replies::reply(request, value).ok_or_else(|| self.server.unreadable())?;
        self.server.clock.learn(&reply, sent);
        Ok(Answer { reply, tracked, repeated })
    }
}

/// How many shares a plain read takes: by the size of the value that it expects.
fn shares(request: Request<'_>) -> u32 {
    let expected = match request {
        Request::Look(Look::Hit(Hit { extent: Extent::Whole(length), .. })) => *length,
        _ => 0,
    };
    u32::try_from(expected.div_ceil(SHARE).clamp(1, SHARES)).unwrap_or(1)
}

impl Backend for Redis {
    fn send<'a>(&'a self, request: Request<'a>, track: bool) -> Sending<'a, Result<Answer>> {
        Sending::Waiting(Box::pin(async move { Ok(self.answer(request, track, false).await?) }))
    }

    fn send_here<'a>(&'a self, request: Request<'a>) -> Sending<'a, Result<Answer>> {
        Sending::Waiting(Box::pin(async move { Ok(self.answer_here(request, false).await?) }))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        Ok(self.answer_blocking(request, false)?)
    }

    fn clock(&self, _: &Names) -> Arc<Clock> {
        Arc::clone(&self.server.clock)
    }

    fn patience(&self) -> Duration {
        self.server.limits.patience()
    }

    fn send_ahead<'a>(&'a self, names: &Names, value: Bytes) -> Sending<'a, Result<Sent, NotSent>> {
        if value.len() <= SMALL {
            return Sending::Done(Ok(Sent::With(value)));
        }
        let key = names.beside(&format!("new:{}", uuid::Uuid::new_v4()));
        Sending::Waiting(Box::pin(async move {
            let length = value.len();
            let key = self.pieces.send_ahead(key, value).await?;
            Ok(Sent::Ahead { key, length })
        }))
    }

    fn read_on<'a>(
        &'a self,
        names: &Names,
        part: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Sending<'a, Result<Option<Vec<u8>>>> {
        Sending::Waiting(Box::pin(self.pieces.read_on(names.value(), part, header, limit)))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}
