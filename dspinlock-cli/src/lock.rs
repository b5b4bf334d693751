//! What stands at a key, from what the server replied. Without I/O.

use crate::say;
use dspinlock::__tools::parse_record;
use dspinlock::State as Recorded;
use redis::Value;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Somebody holds the lock.
    Held,
    /// The work is done, and the record says so until it expires.
    Computed,
    /// Nothing stands there.
    Free,
    /// Something stands there that is not a lock's record.
    Foreign,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Computed => "computed",
            Self::Free => "free",
            Self::Foreign => "foreign",
        }
    }
}

/// A process, as a record or the set of those that wait names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct Process {
    /// The whole text: `host/pid`, `host/pid/function`, or what another scheme or language writes.
    pub(crate) text: String,
    pub(crate) host: Option<String>,
    pub(crate) pid: Option<u32>,
    /// The annotated function, or the program of `dspinlock run`.
    pub(crate) function: Option<String>,
}

impl Process {
    /// Reads `host/pid` or `host/pid/function`.
    pub(crate) fn of(text: &str) -> Self {
        let mut parts = text.splitn(3, '/');
        let (host, pid) = (parts.next(), parts.next().and_then(|pid| pid.parse().ok()));
        let known = pid.is_some();
        Self {
            text: text.to_owned(),
            host: host.filter(|_| known).map(ToOwned::to_owned),
            pid,
            function: parts.next().filter(|_| known).map(ToOwned::to_owned),
        }
    }

    /// Reads a member of `{K}:wait`: `<number>@host/pid`. Other programs may write the number alone.
    pub(crate) fn of_waiter(member: &str) -> Self {
        match member.split_once('@') {
            Some((_, process)) => Self::of(process),
            None => Self { text: member.to_owned(), host: None, pid: None, function: None },
        }
    }

    /// Whether both are one process, as far as it is known.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.pid.is_some() && (&self.host, self.pid) == (&other.host, other.pid)
    }

    /// `host/pid`, or the whole text.
    pub(crate) fn place(&self) -> String {
        match (&self.host, self.pid) {
            (Some(host), Some(pid)) => format!("{host}/{pid}"),
            _ => self.text.clone(),
        }
    }
}

/// A lock, as `ls` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Lock {
    /// The name of the record in Redis.
    pub(crate) key: String,
    pub(crate) state: State,
    /// Who holds the lock, or has computed.
    pub(crate) holder: Option<Process>,
    /// When the holder took the lock, by the server's clock (RFC 3339, UTC).
    pub(crate) since: Option<String>,
    /// How long ago that was, by the server's clock, in milliseconds.
    pub(crate) age_ms: Option<u64>,
    /// How long the record lives if nobody renews it, in milliseconds; null if it never expires or is not there.
    pub(crate) life_ms: Option<u64>,
    /// How many processes are noted as waiting; null if that could not be read. A process that gave up stays noted for a while.
    pub(crate) waiting: Option<u64>,
    /// What stands there, if it is not a lock's record.
    pub(crate) foreign: Option<String>,
    /// The record itself, which is compared before it is removed.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) raw: Vec<u8>,
}

/// What the server replied for one key: to `GETRANGE`, `PTTL` and `SCARD`. A refusal is its text.
pub(crate) struct Replies<'a> {
    pub(crate) record: &'a Result<Value, String>,
    pub(crate) life: &'a Result<Value, String>,
    pub(crate) waiting: &'a Result<Value, String>,
}

impl Lock {
    /// Reads the replies, by the server's time `now`.
    ///
    /// # Errors
    ///
    /// The server's words, if it refused to show the record.
    pub(crate) fn read(key: &str, replies: &Replies<'_>, now: SystemTime) -> Result<Self, String> {
        let life = replies.life.as_ref().ok().and_then(int);
        let mut lock = Self {
            key: key.to_owned(),
            state: State::Free,
            holder: None,
            since: None,
            age_ms: None,
            life_ms: life.and_then(|life| life.try_into().ok()),
            waiting: replies.waiting.as_ref().ok().and_then(int).and_then(|n| n.try_into().ok()),
            foreign: None,
            raw: Vec::new(),
        };
        let raw = match replies.record {
            Ok(Value::BulkString(raw)) => raw,
            Ok(_) => return Ok(Self { life_ms: None, ..lock }),
            Err(refusal) if refusal.contains("WRONGTYPE") => {
                return Ok(lock.stranger("a value of another Redis type".to_owned()));
            }
            Err(refusal) => return Err(refusal.clone()),
        };
        // `GETRANGE` shows a key that is not there as empty.
        if raw.is_empty() && life.is_none_or(|life| life == -2) {
            return Ok(Self { life_ms: None, ..lock });
        }
        if raw.len() > LONGEST {
            return Ok(lock.stranger(format!("a string of more than {LONGEST} bytes")));
        }
        match parse_record(raw) {
            Err(why) => Ok(lock.stranger(why)),
            Ok(record) => {
                let computed = record.state() == Recorded::Computed;
                lock.state = if computed { State::Computed } else { State::Held };
                lock.holder = Some(Process::of(record.holder()));
                lock.since = Some(say::exact_moment(record.since()));
                let age = now.duration_since(record.since()).unwrap_or_default();
                lock.age_ms = Some(as_millis(age));
                lock.raw.clone_from(raw);
                Ok(lock)
            }
        }
    }

    fn stranger(self, what: String) -> Self {
        Self { state: State::Foreign, foreign: Some(what), ..self }
    }

    /// The holder's text, or what else is there.
    pub(crate) fn holder_text(&self) -> &str {
        self.holder.as_ref().map_or("-", |holder| &holder.text)
    }

    /// The life that is left, in words.
    pub(crate) fn life_text(&self) -> String {
        match (self.state, self.life_ms) {
            (State::Free, _) => "-".to_owned(),
            (_, Some(life)) => say::millis(life),
            (_, None) => "no expiry".to_owned(),
        }
    }
}

/// The longest record, in bytes: a longer string belongs to another program.
pub(crate) const LONGEST: usize = 1024;

pub(crate) fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn int(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

/// Any text of a reply.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// The server's time, from the reply to `TIME`.
pub(crate) fn time(value: &Value) -> Option<SystemTime> {
    let Value::Array(both) = value else { return None };
    let number = |at: usize| text(both.get(at)?)?.parse::<u64>().ok();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(number(0)?) + Duration::from_micros(number(1)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    /// A lock at `key` with this record, read 60 seconds after 2026-01-31T23:59:59.
    pub(crate) fn lock(key: &str, record: &str, life: i64, waiting: i64) -> Lock {
        let now = humantime::parse_rfc3339("2026-02-01T00:00:59Z").unwrap();
        let (record, life) = (Ok(bulk(record)), Ok(Value::Int(life)));
        let waiting = Ok(Value::Int(waiting));
        Lock::read(key, &Replies { record: &record, life: &life, waiting: &waiting }, now).unwrap()
    }

    pub(crate) fn held(key: &str, by: &str, waiting: i64) -> Lock {
        lock(key, &format!("0b8e@{by},2026-01-31T23:59:59.000000+00:00,0"), 9_000, waiting)
    }

    #[test]
    fn reads_held_computed_and_free_keys() {
        let it = held("dspinlock,7", "web-1/77/jobs::nightly", 2);
        assert_eq!(
            (it.state, it.age_ms, it.life_ms, it.waiting),
            (State::Held, Some(60_000), Some(9_000), Some(2))
        );
        let holder = it.holder.unwrap();
        assert_eq!((holder.host.as_deref(), holder.pid), (Some("web-1"), Some(77)));
        assert_eq!(holder.function.as_deref(), Some("jobs::nightly"));
        let done = lock("k", "0b8e@h/1,2026-01-31T23:59:59.000000+00:00,1", -1, 0);
        assert_eq!((done.state, done.life_ms, &*done.life_text()), (State::Computed, None, "no expiry"));
        let free = lock("k", "", -2, 0);
        assert_eq!((free.state, free.holder, free.life_ms), (State::Free, None, None));
    }

    #[test]
    fn tells_what_is_foreign_without_showing_it() {
        let secret = lock("k", "hunter2", -1, 0);
        assert_eq!(secret.state, State::Foreign);
        let what = secret.foreign.unwrap();
        assert!(what.starts_with("7 bytes") && !what.contains("hunter2"), "{what}");
        assert_eq!(lock("k", "", -1, 0).state, State::Foreign, "an empty string that is there");
        assert_eq!(lock("k", &"x".repeat(1_025), -1, 0).state, State::Foreign);
        let (record, other) = (Err("WRONGTYPE Operation against a key".to_owned()), Ok(Value::Int(-1)));
        let replies = Replies { record: &record, life: &other, waiting: &Err(String::new()) };
        let list = Lock::read("k", &replies, SystemTime::now()).unwrap();
        assert_eq!((list.state, list.waiting), (State::Foreign, None));
        let refused = Err("NOPERM no".to_owned());
        let replies = Replies { record: &refused, ..replies };
        assert_eq!(Lock::read("k", &replies, SystemTime::now()).unwrap_err(), "NOPERM no");
    }

    #[test]
    fn names_of_processes() {
        let waiter = Process::of_waiter("a1b2@web-2/9");
        assert_eq!((waiter.place().as_str(), waiter.pid), ("web-2/9", Some(9)));
        assert!(waiter.is_same(&Process::of("web-2/9/jobs::x")));
        assert!(!waiter.is_same(&Process::of("web-1/9")));
        let old = Process::of_waiter("a1b2");
        assert!(old.pid.is_none() && !old.is_same(&old.clone()), "a number says nothing");
        let python = Process::of("python 0b8e");
        assert_eq!((python.host.as_deref(), &*python.place()), (None, "python 0b8e"));
    }
}
