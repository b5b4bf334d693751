//! Large values, in pieces. The server does nothing else while it copies a value into a reply, and a connection carries
//! nothing else while the reply passes. A piece occupies both only briefly, and its reply shows that the connection is
//! alive. Another thread of the library copies the pieces.

use super::link::{Batch, Lane, PIECE_LANES};
use super::refusal::without_arguments;
use super::scripts::millis;
use super::server::Server;
use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::store::NotSent;
use crate::store::last_failure::LastFailure;
use crate::sync::lock;
use crate::worker::Worker;
use bytes::Bytes;
use redis::{Cmd, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many bytes a piece has.
const PIECE: usize = 256 << 10;

/// How long a value that was sent ahead waits for the next piece, and then for the release of its lock.
const WAITS: Duration = Duration::from_secs(60);

/// The thread that carries large values: whatever takes time there holds up no lock.
static CARRIER: Mutex<Option<Worker>> = Mutex::new(None);

fn carrier() -> Result<Worker> {
    Worker::at(&CARRIER, "dspinlock-values")
}

/// Reads and writes large values.
#[derive(Clone)]
pub(super) struct Pieces {
    server: Server,
    lanes: Arc<Lanes>,
}

/// The connections for pieces. Each value on its way has one of its own, since a value may break it.
struct Lanes {
    free: Semaphore,
    used: [AtomicBool; PIECE_LANES],
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    /// The server was silent, which concerns every value.
    silence: LastFailure<Error>,
    /// Anything else, with the key of the value that failed.
    other: LastFailure<(String, Error)>,
}

impl Failures {
    fn since(&self, asked: Tick, key: &str) -> Option<Error> {
        let other = || self.other.since(asked).filter(|(failed, _)| failed == key).map(|(_, error)| error);
        self.silence.since(asked).or_else(other).map(Error::again)
    }
}

/// One of the connections, for one value.
struct LanePermit<'a> {
    used: &'a AtomicBool,
    number: usize,
    // Dropped last, so that the next value finds the connection free.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Drop for LanePermit<'_> {
    fn drop(&mut self) {
        self.used.store(false, Ordering::Release);
    }
}

impl Lanes {
    /// Waits for a free connection. Fails if a value that was ahead of it failed meanwhile.
    async fn acquire(&self, key: &str) -> Result<LanePermit<'_>> {
        let asked = Tick::now();
        // The semaphore is never closed.
        let permit = self.free.acquire().await.ok();
        if let Some(error) = lock(&self.failures).since(asked, key) {
            return Err(error);
        }
        // There are as many as permits.
        let number = self.used.iter().position(|used| !used.swap(true, Ordering::AcqRel)).unwrap_or(0);
        Ok(LanePermit { used: &self.used[number], number, _permit: permit })
    }

    fn failed(&self, key: &str, error: &Error) {
        let system = std::error::Error::source(error).and_then(|source| source.downcast_ref());
        let silent =
            system.is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut);
        let mut failures = lock(&self.failures);
        if silent {
            failures.silence.note(error.again());
        } else {
            failures.other.note((key.to_owned(), error.again()));
        }
    }
}

impl Pieces {
    pub(super) fn new(server: Server) -> Self {
        let free = Semaphore::new(PIECE_LANES);
        let lanes = Lanes { free, used: Default::default(), failures: Mutex::default() };
        Self { server, lanes: Arc::new(lanes) }
    }

    /// Reads the rest of the string that begins with `bytes`; see [`Backend::read_on`](crate::store::backend::Backend::read_on).
    pub(super) async fn read_on(
        &self,
        key: String,
        bytes: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>> {
        let this = self.clone();
        let reading = async move { this.read(&key, bytes, header, limit).await };
        carrier()?.attend(reading).await
    }

    async fn read(
        &self,
        key: &str,
        mut bytes: Vec<u8>,
        header: usize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>> {
        let lane = self.lanes.acquire(key).await?;
        while bytes.len() <= limit {
            let Some((piece, first)) = self.read_piece(lane.number, key, bytes.len(), header).await? else {
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

    /// Writes a string in pieces to a key that nobody reads yet, and that expires; returns the key.
    pub(super) async fn send_ahead(&self, key: String, value: Bytes) -> Result<String, NotSent> {
        let this = self.clone();
        let sending = async move {
            let lane = this.lanes.acquire(&key).await?;
            let sent = this.write(lane.number, &key, &value).await;
            if !matches!(sent, Ok(Ok(()))) {
                // Without this it expires a minute later.
                let mut remove = redis::cmd("DEL");
                remove.arg(&key);
                let remove = Batch { lane: Lane::Pieces(lane.number), ..Batch::plain(remove) };
                let _ = this.server.exchange(&remove, false).await;
            }
            Ok(sent?.map(|()| key))
        };
        let sent = match carrier() {
            Ok(carrier) => carrier.attend(sending).await,
            Err(error) => Err(error),
        };
        sent.unwrap_or_else(|error| Err(NotSent { why: error.to_string(), lasts: false }))
    }

    async fn write(&self, lane: usize, key: &str, value: &[u8]) -> Result<Result<(), NotSent>> {
        let mut pieces: Vec<_> = value.chunks(PIECE).enumerate().collect();
        // The last one second: a string that is too long is refused before the rest is sent, and the server makes room once.
        if let Some(last) = pieces.pop() {
            pieces.insert(pieces.len().min(1), last);
        }
        for (number, piece) in pieces {
            let at = number * PIECE;
            match self.write_piece(lane, key, at, piece).await? {
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

    /// Reads a piece of a string, and then the string's first bytes; `None` if there is no string.
    async fn read_piece(
        &self,
        lane: usize,
        key: &str,
        from: usize,
        header: usize,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let range = |from: usize, bytes: usize| {
            let mut command = redis::cmd("GETRANGE");
            command.arg(key).arg(from).arg(from + bytes - 1);
            command
        };
        let values = self.exchange(lane, key, vec![range(from, PIECE), range(0, header)]).await?;
        let mut values = values.into_iter().map(|value| match value {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        });
        Ok(values.next().flatten().zip(values.next().flatten()))
    }

    /// Writes a piece of a string; the reply is the string's length, or why the server refused the piece.
    async fn write_piece(
        &self,
        lane: usize,
        key: &str,
        at: usize,
        piece: &[u8],
    ) -> Result<Result<usize, String>> {
        let waits = millis(WAITS);
        let mut put = Cmd::with_capacity(6, piece.len() + key.len() + 64);
        if at == 0 {
            put.arg("SET").arg(key).arg(piece).arg("PX").arg(waits);
        } else {
            put.arg("SETRANGE").arg(key).arg(at).arg(piece);
        }
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(key).arg(waits);
        let values = self.exchange(lane, key, vec![put, expire]).await?;
        Ok(match values.into_iter().next() {
            Some(Value::Int(length)) => Ok(usize::try_from(length).map_err(|_| self.server.unreadable())?),
            Some(Value::Okay | Value::SimpleString(_)) => Ok(0),
            Some(Value::ServerError(refusal)) => Err(without_arguments(refusal.to_string())),
            _ => Err("the server refused a part of it".to_owned()),
        })
    }

    /// Sends two commands, and notes a failure for the values that wait.
    async fn exchange(&self, lane: usize, key: &str, commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let batch = Batch::of_values(commands, Lane::Pieces(lane));
        match self.server.exchange(&batch, false).await {
            Ok(exchanged) => match exchanged.value {
                Value::Array(values) => Ok(values),
                _ => Err(self.server.unreadable()),
            },
            Err(error) => {
                self.lanes.failed(key, &error);
                Err(error)
            }
        }
    }
}
