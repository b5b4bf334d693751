//! Large values, in pieces. The server does nothing else while it copies a value into a reply, and a connection carries
//! nothing else while a reply passes; a piece takes a moment of both, and its reply is a sign of life. A thread of its own
//! copies what comes.

use super::wire::{Request, Wire, millis};
use super::{Lane, Redis, without_arguments};
use crate::error::{Error, Result};
use crate::store::NotSent;
use crate::worker::Worker;
use bytes::Bytes;
use redis::{Cmd, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many bytes a piece has.
const PIECE: usize = 256 << 10;

/// How many values are on their way at a time.
pub(super) const AT_A_TIME: usize = 2;

/// How long a value that was sent ahead waits for the next piece, and then for the release of its lock.
const WAITS: Duration = Duration::from_secs(60);

/// The turns of those who read or write a large value.
pub(super) struct Turns {
    free: Semaphore,
    /// Which connections are in use: each turn has its own, since a value may break it.
    used: [AtomicBool; AT_A_TIME],
    failures: Mutex<Failures>,
}

/// The last failures of them, and when each was known.
#[derive(Default)]
struct Failures {
    /// The server was silent, which is everybody's.
    silence: Option<(Instant, Error)>,
    /// Something else went wrong with the string at this key.
    other: Option<(Instant, Error, String)>,
}

impl Failures {
    /// What has failed since then, and concerns this key.
    fn since(&self, asked: Instant, key: &str) -> Option<Error> {
        let silence = self.silence.as_ref().filter(|(known, _)| asked <= *known).map(|(_, error)| error);
        let other = self.other.as_ref().filter(|(known, _, failed)| asked <= *known && failed == key);
        silence.or(other.map(|(_, error, _)| error)).map(Error::again)
    }
}

/// The turn of one value, by the connection of this number.
struct Turn<'a> {
    used: &'a AtomicBool,
    number: usize,
    // Given up last, so that whoever is next finds the connection free.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.used.store(false, Ordering::Release);
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Semaphore::new(AT_A_TIME), used: Default::default(), failures: Mutex::default() }
    }
}

impl Turns {
    fn failures(&self) -> MutexGuard<'_, Failures> {
        // Each is replaced whole.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, and fails with those before: one by one, the last would wait for as long as all of them together.
    async fn turn(&self, key: &str) -> Result<Turn<'_>> {
        let asked = Instant::now();
        // Nobody closes it.
        let permit = self.free.acquire().await.ok();
        if let Some(error) = self.failures().since(asked, key) {
            return Err(error);
        }
        // There are as many as permits.
        let number = self.used.iter().position(|used| !used.swap(true, Ordering::AcqRel)).unwrap_or(0);
        Ok(Turn { used: &self.used[number], number, _permit: permit })
    }

    fn failed(&self, key: &str, error: &Error) {
        let system = std::error::Error::source(error).and_then(|source| source.downcast_ref());
        let silent =
            system.is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut);
        let (known, error) = (Instant::now(), error.again());
        if silent {
            self.failures().silence = Some((known, error));
        } else {
            self.failures().other = Some((known, error, key.to_owned()));
        }
    }
}

/// Reads a piece of a string, and then the string's first bytes; none if there is no string any more.
struct Piece<'a> {
    connection: usize,
    key: &'a str,
    from: usize,
    header: usize,
}

impl Wire for Piece<'_> {
    type Reply = Option<(Vec<u8>, Vec<u8>)>;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Pieces(self.connection)
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
    connection: usize,
    key: &'a str,
    at: usize,
    piece: &'a [u8],
}

impl Wire for Put<'_> {
    type Reply = Result<usize, String>;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Pieces(self.connection)
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
            Value::ServerError(refusal) => Err(without_arguments(refusal.to_string())),
            _ => Err("the server refused a part of it".to_owned()),
        })
    }
}

/// Removes a string that was not used.
struct Unused<'a> {
    connection: usize,
    key: &'a str,
}

impl Wire for Unused<'_> {
    type Reply = ();

    fn lane(&self) -> Lane {
        Lane::Pieces(self.connection)
    }

    fn request(&self) -> Request {
        let mut command = redis::cmd("DEL");
        command.arg(self.key);
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
        let turn = self.pieces.turn(key).await?;
        while bytes.len() <= limit {
            let piece = self.call(&Piece { connection: turn.number, key, from: bytes.len(), header }).await;
            let Some((piece, first)) = piece.inspect_err(|error| self.pieces.failed(key, error))? else {
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
            let turn = this.pieces.turn(&key).await?;
            let sent = this.put_pieces(turn.number, &key, &value).await;
            if !matches!(sent, Ok(Ok(()))) {
                // Without this it is forgotten a minute later.
                let _ = this.call(&Unused { connection: turn.number, key: &key }).await;
            }
            Ok(sent?.map(|()| key))
        };
        let sent = match Worker::carrier() {
            Ok(carrier) => carrier.attend(sending).await,
            Err(error) => Err(error),
        };
        sent.unwrap_or_else(|error| Err(NotSent { why: error.to_string(), lasts: false }))
    }

    async fn put_pieces(&self, connection: usize, key: &str, value: &[u8]) -> Result<Result<(), NotSent>> {
        let mut pieces: Vec<_> = value.chunks(PIECE).enumerate().collect();
        // The last one second: a string that is too long is refused before the rest is sent, and the server makes room once.
        if let Some(last) = pieces.pop() {
            pieces.insert(pieces.len().min(1), last);
        }
        for (number, piece) in pieces {
            let at = number * PIECE;
            let put = self.call(&Put { connection, key, at, piece }).await;
            match put.inspect_err(|error| self.pieces.failed(key, error))? {
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
