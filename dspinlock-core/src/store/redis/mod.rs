//! Redis and Valkey: each request is one script or one command.
//!
//! | file | what is there |
//! | --- | --- |
//! | `requests`, `replies`, `scripts` | the words of Redis, without I/O |
//! | `link` | what a connection must do |
//! | `dial` | opens connections, and says which are still good |
//! | `tls` | opens them over TLS |
//! | `own` with `shared`, `runtimes`, `pool` | connections of the library: for its own thread, for async and for blocking callers |
//! | `borrowed` | connections that users bring |
//! | `server` | sends batches: scripts, outages, errors |
//! | `pieces` | large values |

mod advice;
mod borrowed;
mod circuit;
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
mod tls;

use crate::error::Result;
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Backend, Look, Request, Sending};
use crate::store::{Extent, Hit, NotSent, Sent, Store, Wakeups};
use crate::worker::Worker;
use bytes::Bytes;
use link::{Batch, Lane};
use pieces::Pieces;
use server::{Exchanged, Server};
use std::fmt;
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) use borrowed::{AsyncLink, BlockingLink};
pub(crate) use dial::Dialer;
pub(crate) use link::{Limits, Link};
pub(crate) use own::Own;
pub(crate) use tls::{Tls, TlsParts, provide};

/// How many shares of plain reads of values are on their way at a time: more would wait for each other in the server's buffers,
/// and past the time limit of a reply, and would keep the server from locks while it copies them.
const SHARES: usize = 32;

/// How many bytes one share stands for: 2 MB in all.
const SHARE: usize = 64 << 10;

/// The most bytes of a value that goes with the release of its lock.
const SMALL: usize = 16 << 10;

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
    let pieces = Pieces::new(server.clone());
    Store::new(Redis { server, pieces, hits: Semaphore::new(SHARES) }, wakeups)
}

impl Redis {
    async fn answer(&self, request: Request<'_>, batch: Batch, track: bool) -> Result<Answer> {
        self.server.pass(&batch)?;
        let _on_its_way =
            if batch.lane.is_for_hits() { self.hits.acquire_many(shares(request)).await.ok() } else { None };
        self.read(request, self.server.exchange(&batch, track).await?)
    }

    fn read(&self, request: Request<'_>, exchanged: Exchanged) -> Result<Answer> {
        let Exchanged { value, repeated, tracked } = exchanged;
        let reply = replies::reply(request, value).ok_or_else(|| self.server.unreadable())?;
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
        let mut batch = requests::batch(request, self.server.limits);
        if track && batch.lane == Lane::Values {
            batch.lane = Lane::Copies;
        }
        Sending::Waiting(Box::pin(self.answer(request, batch, track)))
    }

    fn send_here<'a>(&'a self, request: Request<'a>) -> Sending<'a, Result<Answer>> {
        let batch = requests::batch(request, self.server.limits);
        Sending::Waiting(Box::pin(async move { self.read(request, self.server.exchange_here(batch).await?) }))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        let batch = requests::batch(request, self.server.limits);
        self.read(request, self.server.exchange_blocking(batch)?)
    }

    fn patience(&self) -> Duration {
        // A try over the connection of the caller's runtime, then one and a repeat of the library's thread, each with a new
        // connection.
        let Limits { connect_timeout, response_timeout, .. } = self.server.limits;
        response_timeout + (connect_timeout + response_timeout) * 2
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
