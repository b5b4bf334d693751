//! `show`: all that is known of one lock.

use crate::exit::{Code, Failure, Result};
use crate::lock::{Lock, Process, Replies, State, int, text};
use crate::say;
use crate::server::{Access, ask, now, page, questions};
use dspinlock::__tools::LockNames;
use redis::{Cmd, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// What `show` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub(crate) lock: Lock,
    /// The server that has it.
    pub(crate) server: String,
    /// The cluster slot.
    pub(crate) slot: u16,
    /// The processes that are noted as waiting.
    pub(crate) waiters: Vec<Process>,
    /// How long that note lives, in milliseconds. It is written at a process's first look at the held lock, and again after each renewal.
    pub(crate) waiters_noted_for_ms: Option<u64>,
    /// The last fencing token in the slot of this lock. Other locks of the slot share the sequence.
    pub(crate) last_token_of_slot: Option<u64>,
    pub(crate) value: Option<StoredValue>,
    /// The note of the last turn that had no value for others.
    pub(crate) note: Option<Note>,
    /// Who computes the next value while this one is served (`refresh_ahead`).
    pub(crate) refreshed_by: Option<Process>,
}

/// A stored value, without its content.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct StoredValue {
    /// With its header.
    pub(crate) bytes: u64,
    pub(crate) life_ms: Option<u64>,
    pub(crate) codec: Option<String>,
    pub(crate) schema: Option<String>,
    /// Whether it is the value of the record: only then is it served.
    pub(crate) served: bool,
}

/// The note of a turn without a value.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Note {
    /// `failed`, `unstored` or `unshared`.
    pub(crate) outcome: String,
    /// The message of the error.
    pub(crate) message: String,
    pub(crate) by: Option<Process>,
    /// Until when a failure answers all callers (RFC 3339, UTC), if it does.
    pub(crate) until: Option<String>,
}

/// How much of a value is read: its header is shorter.
const HEADER: usize = 4_096;

/// The most processes that are named.
const MOST_WAITERS: u64 = 1_000;

fn more_questions(names: &LockNames) -> Vec<Cmd> {
    let of = |name: &str, key: &str| {
        let mut command = redis::cmd(name);
        command.arg(key);
        command
    };
    let range = |key: &str, end: usize| {
        let mut command = of("GETRANGE", key);
        command.arg(0).arg(end);
        command
    };
    let mut waiters = of("SSCAN", &names.wait);
    waiters.arg(0).arg("COUNT").arg(MOST_WAITERS);
    vec![
        of("TYPE", &names.record),
        waiters,
        of("PTTL", &names.wait),
        range(&names.fence, 32),
        range(&names.value, HEADER),
        of("STRLEN", &names.value),
        of("PTTL", &names.value),
        range(&names.error, 8_191),
        range(&names.refresh, 1_024),
        // Once more: what changed in between would be put together wrongly.
        range(&names.record, 1_024),
    ]
}

/// Looks at all keys of a lock, again while its record changes.
pub(crate) fn look(access: &Access, key: &str) -> Result<Details> {
    let names = access.names(key);
    let server = access.server_of(&names)?;
    let mut tries = 0;
    loop {
        let mut commands = vec![redis::cmd("TIME")];
        commands.extend(questions(&names));
        commands.extend(more_questions(&names));
        let replies = ask(&server, commands)?;
        tries += 1;
        if replies[1] == replies[replies.len() - 1] || tries == 5 {
            let unreadable = |why| Failure::new(Code::Unavailable, why);
            return read(&names, server.name(), &replies).map_err(unreadable);
        }
    }
}

/// Puts the replies together.
fn read(names: &LockNames, server: &str, replies: &[Result<Value, String>]) -> Result<Details, String> {
    let now = now(&replies[0]);
    let mut lock = Lock::read(
        &names.record,
        &Replies { record: &replies[1], life: &replies[2], waiting: &replies[3] },
        now,
    )?;
    let [kind, waiters, waiters_life, fence, value, length, value_life, note, refresh, _] = &replies[4..]
    else {
        return Err("the server gave another number of replies".to_owned());
    };
    if let (Some(foreign), Ok(kind)) = (&mut lock.foreign, kind)
        && let Some(kind) = text(kind)
        && kind != "string"
    {
        *foreign = format!("a {kind}");
    }
    let millis =
        |reply: &Result<Value, String>| -> Option<u64> { int(reply.as_ref().ok()?)?.try_into().ok() };
    let bulk = |reply: &Result<Value, String>| match reply {
        Ok(Value::BulkString(bytes)) if !bytes.is_empty() => Some(bytes.clone()),
        _ => None,
    };
    let members = waiters.as_ref().ok().and_then(page).map_or_else(Vec::new, |(_, members)| members);
    let mut waiters: Vec<_> = members.iter().map(|member| Process::of_waiter(member)).collect();
    waiters.sort();
    Ok(Details {
        server: server.to_owned(),
        slot: names.slot,
        waiters,
        waiters_noted_for_ms: millis(waiters_life),
        last_token_of_slot: bulk(fence).and_then(|token| String::from_utf8(token).ok()?.parse().ok()),
        value: bulk(value).map(|head| stored(&head, &lock, millis(length), millis(value_life))),
        note: bulk(note).and_then(|note| self::note(&String::from_utf8_lossy(&note), now)),
        refreshed_by: bulk(refresh)
            .and_then(|mark| dspinlock::__tools::parse_record(&mark).ok())
            .map(|mark| Process::of(mark.holder())),
        lock,
    })
}

/// The first line of an envelope; `docs/values.md` describes it.
#[derive(Deserialize)]
struct Header {
    codec: String,
    schema: String,
    tag: String,
}

fn stored(head: &[u8], lock: &Lock, bytes: Option<u64>, life_ms: Option<u64>) -> StoredValue {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let header: Option<Header> = serde_json::from_slice(line).ok();
    let served = header.as_ref().is_some_and(|header| [header.tag.as_bytes(), b",1"].concat() == lock.raw);
    let (codec, schema) = header.map(|header| (header.codec, header.schema)).unzip();
    StoredValue { bytes: bytes.unwrap_or_default(), life_ms, codec, schema, served }
}

/// Reads a note; `docs/values.md` describes it.
fn note(note: &str, now: SystemTime) -> Option<Note> {
    let mut parts = note.splitn(5, '\n');
    let (turn, until, _, outcome) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let until = SystemTime::UNIX_EPOCH + Duration::from_micros(until.parse().ok()?);
    let by = dspinlock::__tools::parse_record(turn.as_bytes()).ok();
    Some(Note {
        outcome: outcome.to_owned(),
        message: parts.next().unwrap_or_default().to_owned(),
        by: by.map(|turn| Process::of(turn.holder())),
        until: (until > now).then(|| say::exact_moment(until)),
    })
}

/// What is known, for people: a line for each.
pub(crate) fn shown(it: &Details) -> String {
    let Details { lock, .. } = it;
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        text.push_str(&say::styled(say::BOLD, &format!("{name:<10}")));
        text.push_str(&say::plain(what));
        text.push('\n');
    };
    line("key", &lock.key);
    line("state", lock.state.word());
    if let Some(foreign) = &lock.foreign {
        line("holds", foreign);
    }
    if let (Some(holder), Some(since), Some(age)) = (&lock.holder, &lock.since, lock.age_ms) {
        line(if lock.state == State::Held { "holder" } else { "done by" }, &holder.text);
        line("since", &format!("{since} ({} ago, by the server's clock)", say::millis(age)));
    }
    if lock.state != State::Free {
        let unless = if lock.state == State::Held { ", unless the holder renews it" } else { "" };
        line("life", &format!("{}{unless}", lock.life_text()));
    }
    line("waiting", &waiting(it));
    for waiter in &it.waiters {
        line("", &waiter.text);
    }
    if let Some(value) = &it.value {
        line("value", &value_text(value));
    }
    if let Some(note) = &it.note {
        line("note", &note_text(note));
    }
    if let Some(by) = &it.refreshed_by {
        line("refresh", &format!("{} computes the next value while this one is served", by.text));
    }
    if let Some(token) = it.last_token_of_slot {
        line("token", &format!("{token} was the last fencing token in slot {} (of all its locks)", it.slot));
    }
    line("server", &it.server);
    text
}

/// How many processes wait, as far as it is known.
pub(crate) fn waiting(it: &Details) -> String {
    match it.lock.waiting {
        None => "unknown: the server does not show it to this user".to_owned(),
        Some(0) => "nobody".to_owned(),
        Some(number) => say::count(number, "process", "processes"),
    }
}

fn value_text(value: &StoredValue) -> String {
    let what = match (&value.codec, &value.schema) {
        (Some(codec), Some(schema)) => format!("{codec}, {schema}"),
        _ => "no envelope of this library".to_owned(),
    };
    let life = value
        .life_ms
        .map_or_else(|| "until it is removed".to_owned(), |life| format!("for {}", say::millis(life)));
    let served = if value.served { "" } else { "; of another turn than the record, so it is not served" };
    format!("{} bytes ({what}), kept {life}{served}", value.bytes)
}

pub(crate) fn note_text(note: &Note) -> String {
    let by = note.by.as_ref().map_or_else(String::new, |by| format!(" at {}", by.text));
    match (&*note.outcome, &note.until) {
        ("failed", Some(until)) => {
            format!("the last turn{by} failed, and callers get that until {until}: {}", note.message)
        }
        ("failed", None) => format!("the last turn{by} failed: {}", note.message),
        (_, _) => format!("the last turn{by} had a value that can't be shared ({})", note.outcome),
    }
}

pub(crate) fn run(access: &Access, key: &str, json: bool) -> Result<Code> {
    let details = look(access, key)?;
    (if json { say::print_json(&details) } else { say::print(&shown(&details)) })?;
    Ok(code(details.lock.state))
}

/// The exit code of a look at a lock.
pub(crate) fn code(state: State) -> Code {
    match state {
        State::Held | State::Computed => Code::Done,
        State::Free => Code::No,
        State::Foreign => Code::Foreign,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::lock::tests::bulk;

    const TURN: &str = "0b8e@web-1/77/job,2026-01-31T23:59:59.000000+00:00";

    /// The details of a lock with this record, this note, and one that waits.
    pub(crate) fn details(record: &str, note: &str) -> Details {
        let names = LockNames::of("dspinlock,7", "dspinlock");
        let value = format!(
            r#"{{"v":1,"codec":"json","schema":"s","tag":"{TURN}","key":"7","none":false}}{}"#,
            "\n17"
        );
        let life = if record.is_empty() { -2 } else { 9_000 };
        let members =
            Value::Array(vec![Value::BulkString(b"a1@web-2/9".to_vec()), Value::BulkString(b"b2".to_vec())]);
        let replies = [
            Ok(Value::Array(vec![bulk("1769904059"), bulk("0")])),
            Ok(bulk(record)),
            Ok(Value::Int(life)),
            Ok(Value::Int(2)),
            Ok(Value::SimpleString("string".to_owned())),
            Ok(Value::Array(vec![bulk("0"), members])),
            Ok(Value::Int(1_000)),
            Ok(bulk("1769903999000000")),
            Ok(bulk(&value)),
            Ok(Value::Int(90)),
            Ok(Value::Int(5_000)),
            Ok(bulk(note)),
            Ok(bulk("")),
            Ok(bulk(record)),
        ];
        read(&names, "redis at x", &replies).unwrap()
    }

    #[test]
    fn puts_together_what_stands_beside_a_record() {
        let it = details(&format!("{TURN},1"), "");
        assert_eq!(it.lock.age_ms, Some(60_000));
        assert_eq!(it.waiters.iter().map(Process::place).collect::<Vec<_>>(), ["b2", "web-2/9"]);
        assert_eq!(it.last_token_of_slot, Some(1_769_903_999_000_000));
        let value = it.value.as_ref().unwrap();
        assert!(value.served && value.codec.as_deref() == Some("json"));
        assert!(shown(&it).contains("90 bytes (json, s), kept for 5.0s\n"), "{}", shown(&it));
        let other = details("0b8e@web-1/77,2026-01-31T23:59:58.000000+00:00,1", "");
        assert!(!other.value.unwrap().served, "another turn's");
    }

    #[test]
    fn reads_notes() {
        let at = |until: &str| {
            format!("{TURN},0\n{until}\n[\"json\",\"s\",\"7\"]\nfailed\nno disk\nleft (in job)")
        };
        let lasting = details("", &at("1769904060000000")).note.unwrap();
        assert_eq!(lasting.until.as_deref(), Some("2026-02-01T00:01:00.000Z"));
        assert_eq!((lasting.message.as_str(), lasting.by.unwrap().pid), ("no disk\nleft (in job)", Some(77)));
        assert_eq!(details("", &at("0")).note.unwrap().until, None);
        assert_eq!(details("", "nonsense").note, None);
    }
}
