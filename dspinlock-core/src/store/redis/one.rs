//! One server: what each request sends, and what its reply means.

use super::contact::Contacts;
use super::link::{Batch, Lane};
use super::pieces::Pieces;
use super::server::{Exchanged, Failure, Server};
use super::{replies, requests};
use crate::clock::Tick;
use crate::error::Result;
use crate::format::scheme::Names;
use crate::store::backend::{Answer, Backend, Look, Request, Sending};
use crate::store::{Clock, Extent, Hit, NotSent, Renew, Sent};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many shares of plain reads of values are on their way at a time: more would wait for each other in the server's buffers,
/// and past the time limit of a reply, and would keep the server from locks while it copies them.
const SHARES: usize = 32;

/// How many bytes one share stands for: 2 MB in all.
const SHARE: usize = 64 << 10;

/// The most bytes of a value that goes with the release of its lock.
pub(super) const SMALL: usize = 16 << 10;

/// One server.
pub(super) struct Redis {
    pub(super) server: Server,
    pieces: Pieces,
    /// The shares that are free.
    hits: Semaphore,
}

impl Redis {
    pub(super) fn new(server: Server) -> Self {
        let pieces = Pieces::new(server.clone());
        Self { server, pieces, hits: Semaphore::new(SHARES) }
    }

    /// Sends a request from the library's I/O thread; see [`Backend::send`].
    pub(super) async fn answer(
        &self,
        request: Request<'_>,
        track: bool,
        asking: bool,
    ) -> Result<Answer, Failure> {
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
    pub(super) async fn renew_each(&self, renew: &Renew<'_>) -> Result<Vec<Option<bool>>, Failure> {
        let exchanged = self.server.exchange(&requests::renew_each(renew), false).await?;
        Ok(replies::renewed_each(exchanged.value))
    }

    /// Sends a request from the caller's own task.
    pub(super) async fn answer_here(&self, request: Request<'_>, asking: bool) -> Result<Answer, Failure> {
        let (batch, sent) = (self.batch(request, asking), Tick::now());
        self.read(request, sent, self.server.exchange_here(batch).await?)
    }

    pub(super) fn answer_blocking(&self, request: Request<'_>, asking: bool) -> Result<Answer, Failure> {
        let (batch, sent) = (self.batch(request, asking), Tick::now());
        self.read(request, sent, self.server.exchange_blocking(batch)?)
    }

    fn batch(&self, request: Request<'_>, asking: bool) -> Batch {
        Batch { asking, ..requests::batch(request, self.server.limits) }
    }

    fn read(&self, request: Request<'_>, sent: Tick, exchanged: Exchanged) -> Result<Answer, Failure> {
        let Exchanged { value, repeated, tracked } = exchanged;
        let reply = replies::reply(request, value).ok_or_else(|| self.server.unreadable())?;
        self.server.clock.learn(reply.now(), sent);
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
        let answer = self.answer(request, track, false);
        Sending::Waiting(Box::pin(async move { answer.await.map_err(|failure| failure.error) }))
    }

    fn send_here<'a>(&'a self, request: Request<'a>) -> Sending<'a, Result<Answer>> {
        let answer = self.answer_here(request, false);
        Sending::Waiting(Box::pin(async move { answer.await.map_err(|failure| failure.error) }))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        self.answer_blocking(request, false).map_err(|failure| failure.error)
    }

    fn clock(&self, _: &Names) -> Arc<Clock> {
        Arc::clone(&self.server.clock)
    }

    fn contacts(&self) -> Sending<'_, Result<Contacts>> {
        Sending::Done(Ok(Contacts::one(self.server.clone())))
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
