//! Large values, in pieces. The server does nothing else while it copies a value into a reply, and a connection carries
//! nothing else while a reply passes; a piece takes a moment of both, and its reply is a sign of life. A thread of its own
//! copies what comes.

use super::wire::{Request, Wire, millis};
use super::{Lane, Redis};
use crate::error::{Error, Result};
use crate::store::NotSent;
use crate::worker::Worker;
use bytes::Bytes;
use redis::{Cmd, Value};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many bytes a piece has.
const PIECE: usize = 256 << 10;

/// How many values are on their way at a time.
const AT_A_TIME: usize = 2;

/// How long a value that was sent ahead waits for the next piece, and then for the release of its lock.
const WAITS: Duration = Duration::from_secs(60);

/// The turns of those who read or write a large value.
pub(super) struct Turns {
    free: Semaphore,
    /// The last failure of one of them, and when it was known.
    failure: Mutex<Option<(Instant, Error)>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Semaphore::new(AT_A_TIME), failure: Mutex::default() }
    }
}

impl Turns {
    fn failure(&self) -> MutexGuard<'_, Option<(Instant, Error)>> {
        // Replaced whole.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, and fails with those before: one by one, the last would wait for as long as all of them together.
    async fn turn(&self) -> Result<Option<SemaphorePermit<'_>>> {
        let asked = Instant::now();
        // Nobody closes it.
        let turn = self.free.acquire().await.ok();
        match self.failure().as_ref().filter(|(known, _)| asked <= *known) {
            Some((_, error)) => Err(error.again()),
            None => Ok(turn),
        }
    }

    fn failed(&self, error: &Error) {
        *self.failure() = Some((Instant::now(), error.again()));
    }
}

/// Reads a piece of a string, and then the string's first bytes; none if there is no string any more.
struct Piece<'a> {
    key: &'a str,
    from: usize,
    header: usize,
}

impl Wire for Piece<'_> {
    type Reply = Option<(Vec<u8>, Vec<u8>)>;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Pieces
    }

    fn request(&self) -> Request {
        let range = |from: usize, bytes: usize| {
            let mut command = redis::cmd("GETRANGE");
            command.arg(self.key).arg(from).arg(from + bytes - 1);
            command
        };
        Request::several(vec![range(self.from, PIECE), range(0, self.header)], true)
    }

    fn reply(value: Value) -> Option<Self::Reply> {
        let Value::Array(values) = value else { return None };
        let mut values = values.into_iter().map(|value| match value {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        });
        Some(values.next().flatten().zip(values.next().flatten()))
    }
}

/// Writes a piece of a string that nobody reads yet; says how long the string is now, or why the server refused it.
struct Put<'a> {
    key: &'a str,
    at: usize,
    piece: &'a [u8],
}

impl Wire for Put<'_> {
    type Reply = Result<usize, String>;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Pieces
    }

    fn request(&self) -> Request {
        let waits = millis(WAITS);
        let mut put = Cmd::with_capacity(6, self.piece.len() + self.key.len() + 64);
        if self.at == 0 {
            put.arg("SET").arg(self.key).arg(self.piece).arg("PX").arg(&waits);
        } else {
            put.arg("SETRANGE").arg(self.key).arg(self.at).arg(self.piece);
        }
        let mut lives = redis::cmd("PEXPIRE");
        lives.arg(self.key).arg(&waits);
        Request::several(vec![put, lives], true)
    }

    fn reply(value: Value) -> Option<Self::Reply> {
        let Value::Array(values) = value else { return None };
        Some(match values.into_iter().next()? {
            Value::Int(length) => Ok(usize::try_from(length).ok()?),
            Value::Okay | Value::SimpleString(_) => Ok(0),
            Value::ServerError(refusal) => Err(refusal.to_string()),
            _ => Err("the server refused a part of it".to_owned()),
        })
    }
}

/// Removes a string that was not used.
struct Unused<'a>(&'a str);

impl Wire for Unused<'_> {
    type Reply = ();

    fn lane(&self) -> Lane {
        Lane::Pieces
    }

    fn request(&self) -> Request {
        let mut command = redis::cmd("UNLINK");
        command.arg(self.0);
        Request::plain(command)
    }

    fn reply(_: Value) -> Option<()> {
        Some(())
    }
}

impl Redis {
    /// Reads on from `bytes`, the beginning of a string whose first `header` bytes tell it from any other that may stand
    /// there later. `None` if another one does, or if it has more than `limit` bytes.
    pub(crate) async fn read_on(
        &self,
        key: String,
        bytes: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>> {
        let this = self.clone();
        let reading = async move { this.read_pieces(&key, bytes, header, limit).await };
        Worker::carrier()?.attend(reading).await
    }

    async fn read_pieces(
        &self,
        key: &str,
        mut bytes: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>> {
        let _turn = self.pieces.turn().await?;
        while bytes.len() <= limit {
            let piece = self.call(&Piece { key, from: bytes.len(), header }).await;
            let Some((piece, first)) = piece.inspect_err(|error| self.pieces.failed(error))? else {
                return Ok(None);
            };
            // Read after the piece: if this is still the string, the piece is of it.
            if bytes.get(..header) != Some(&*first) {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
            if piece.len() < PIECE {
                return Ok(Some(bytes).filter(|bytes| bytes.len() <= limit));
            }
        }
        Ok(None)
    }

    /// Writes a string in pieces to a key that nobody reads yet, and which forgets it after a while; gives the key back.
    pub(crate) async fn send_ahead(&self, key: String, value: Bytes) -> Result<String, NotSent> {
        let this = self.clone();
        let sending = async move {
            let _turn = this.pieces.turn().await?;
            let sent = this.put_pieces(&key, &value).await;
            if !matches!(sent, Ok(Ok(()))) {
                // Without this it is forgotten a minute later.
                let _ = this.call(&Unused(&key)).await;
            }
            Ok(sent?.map(|()| key))
        };
        let sent = match Worker::carrier() {
            Ok(carrier) => carrier.attend(sending).await,
            Err(error) => Err(error),
        };
        sent.unwrap_or_else(|error| Err(NotSent { why: error.to_string(), lasts: false }))
    }

    async fn put_pieces(&self, key: &str, value: &[u8]) -> Result<Result<(), NotSent>> {
        let mut pieces: Vec<_> = value.chunks(PIECE).enumerate().collect();
        // The last one second: a string that is too long is refused before the rest is sent, and the server makes room once.
        if let Some(last) = pieces.pop() {
            pieces.insert(pieces.len().min(1), last);
        }
        for (number, piece) in pieces {
            let at = number * PIECE;
            let put = self.call(&Put { key, at, piece }).await;
            match put.inspect_err(|error| self.pieces.failed(error))? {
                Err(why) => return Ok(Err(NotSent { why, lasts: true })),
                Ok(length) if at > 0 && length != value.len() => {
                    let why = "the server has forgotten a part of it".to_owned();
                    return Ok(Err(NotSent { why, lasts: false }));
                }
                Ok(_) => {}
            }
        }
        Ok(Ok(()))
    }
}
