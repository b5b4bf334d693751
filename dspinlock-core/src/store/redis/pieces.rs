//! Large values, in pieces. The server does nothing else while it copies a value into a reply, and a connection carries
//! nothing else while the reply passes. A piece occupies both only briefly, and its reply shows that the connection is
//! alive. While one piece is copied, the next one is on its way. Another thread of the library copies the pieces.

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
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

/// How many bytes a piece has. Larger ones bring little, and a lock waits for all that are on their way.
const PIECE: usize = 256 << 10;

/// How many pieces of one value are on their way at a time.
const ON_THEIR_WAY: usize = 2;

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
        let mut pieces = Pipeline::new(self, lane.number, key);
        let mut next = bytes.len();
        let mut length = usize::MAX;
        // The first one alone: it shows how many there are.
        pieces.send(read_piece(key, next, header));
        next += PIECE;
        while let Some(values) = pieces.next().await? {
            let Some(piece) = Piece::of(values) else { return Ok(None) };
            if bytes.get(..header) != Some(&*piece.first) || piece.length > limit {
                return Ok(None);
            }
            length = piece.length;
            bytes.reserve_exact(length.saturating_sub(bytes.len()));
            bytes.extend_from_slice(&piece.bytes);
            while pieces.has_room() && next < length {
                pieces.send(read_piece(key, next, header));
                next += PIECE;
            }
        }
        Ok(Some(bytes).filter(|bytes| bytes.len() == length))
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
        let mut pieces = Pipeline::new(self, lane, key);
        let first = value.len().min(PIECE);
        let last = value.len().saturating_sub(PIECE).max(first);
        // The last one second: a string that is too long is refused before the rest is sent, and the server makes room once.
        for (from, to) in [(0, first), (last, value.len())] {
            if from < to {
                pieces.send(write_piece(key, from, &value[from..to]));
                if let Err(why) = written(pieces.next().await?, value.len()) {
                    return Ok(Err(why));
                }
            }
        }
        let (mut next, mut outcome) = (first, Ok(()));
        loop {
            while pieces.has_room() && next < last && outcome.is_ok() {
                let to = last.min(next + PIECE);
                pieces.send(write_piece(key, next, &value[next..to]));
                next = to;
            }
            let Some(values) = pieces.next().await? else { return Ok(outcome) };
            outcome = outcome.and_then(|()| written(Some(values), value.len()));
        }
    }

    /// Sends commands, and notes a failure for the values that wait.
    async fn exchange(&self, lane: usize, key: &str, commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let batch = Batch::of_values(commands, Lane::Pieces(lane));
        match self.server.exchange(&batch, false).await {
            Ok(exchanged) => match exchanged.value {
                Value::Array(values) => Ok(values),
                _ => Err(self.server.unreadable()),
            },
            Err(failure) => {
                self.lanes.failed(key, &failure.error);
                Err(failure.error)
            }
        }
    }
}

/// The pieces of one value that are on their way, over one connection.
struct Pipeline<'a> {
    pieces: &'a Pieces,
    lane: usize,
    key: Arc<str>,
    on_their_way: VecDeque<JoinHandle<Result<Vec<Value>>>>,
}

impl<'a> Pipeline<'a> {
    fn new(pieces: &'a Pieces, lane: usize, key: &str) -> Self {
        Self { pieces, lane, key: key.into(), on_their_way: VecDeque::new() }
    }

    fn has_room(&self) -> bool {
        self.on_their_way.len() < ON_THEIR_WAY
    }

    fn send(&mut self, commands: Vec<Cmd>) {
        let (pieces, lane, key) = (self.pieces.clone(), self.lane, Arc::clone(&self.key));
        let sending = async move { pieces.exchange(lane, &key, commands).await };
        self.on_their_way.push_back(tokio::spawn(sending));
    }

    /// The reply to the first of those that are on their way; `None` if there are none.
    async fn next(&mut self) -> Result<Option<Vec<Value>>> {
        let Some(piece) = self.on_their_way.pop_front() else { return Ok(None) };
        piece.await.map_err(|_| self.pieces.server.unreadable())?.map(Some)
    }
}

/// A piece of a string, the string's length, and its first bytes.
struct Piece {
    bytes: Vec<u8>,
    length: usize,
    first: Vec<u8>,
}

impl Piece {
    /// `None` if there is no string.
    fn of(values: Vec<Value>) -> Option<Self> {
        let [Value::BulkString(bytes), Value::Int(length), Value::BulkString(first)] =
            <[Value; 3]>::try_from(values).ok()?
        else {
            return None;
        };
        Some(Self { bytes, length: length.try_into().ok()?, first })
    }
}

fn read_piece(key: &str, from: usize, header: usize) -> Vec<Cmd> {
    let range = |from: usize, size: usize| {
        let mut command = redis::cmd("GETRANGE");
        command.arg(key).arg(from).arg(from + size - 1);
        command
    };
    let mut length = redis::cmd("STRLEN");
    length.arg(key);
    // The first bytes last: if they are still those of the string, so are the piece and the length.
    vec![range(from, PIECE), length, range(0, header)]
}

fn write_piece(key: &str, at: usize, piece: &[u8]) -> Vec<Cmd> {
    let waits = millis(WAITS);
    let mut put = Cmd::with_capacity(6, piece.len() + key.len() + 64);
    if at == 0 {
        put.arg("SET").arg(key).arg(piece).arg("PX").arg(waits);
    } else {
        put.arg("SETRANGE").arg(key).arg(at).arg(piece);
    }
    let mut expire = redis::cmd("PEXPIRE");
    expire.arg(key).arg(waits);
    vec![put, expire]
}

/// Whether a piece was written. Each piece but the first leaves a string of the value's length.
fn written(reply: Option<Vec<Value>>, length: usize) -> Result<(), NotSent> {
    match reply.and_then(|values| values.into_iter().next()) {
        Some(Value::Okay | Value::SimpleString(_)) => Ok(()),
        Some(Value::Int(now)) if usize::try_from(now) == Ok(length) => Ok(()),
        Some(Value::Int(_)) => {
            Err(NotSent { why: "the server has forgotten a part of it".to_owned(), lasts: false })
        }
        Some(Value::ServerError(refusal)) => {
            Err(NotSent { why: without_arguments(refusal.to_string()), lasts: true })
        }
        _ => Err(NotSent { why: "the server refused a part of it".to_owned(), lasts: true }),
    }
}
