//! Each operation: its script with keys and arguments, and what the script's replies mean.

use super::{
    ABANDON, ACQUIRE, FAIL, FORGET, Fields, READ, REFRESH, RELEASE, RENEW, Request, Wire, any_record, millis,
    relockable,
};
use crate::clock::ServerTime;
use crate::format::record::LONGEST;
use crate::store::redis::Lane;
use crate::store::{
    Abandon, Acquire, Acquired, Excerpt, Fail, Forget, Forgotten, Found, HEAD, Hit, Peek, Ping, Read,
    ReadValue, Refresh, Release, Released, Renew, Seen, Sent, Time, WINDOW,
};
use redis::{Cmd, Value};
use std::time::Duration;

impl Wire for Acquire<'_> {
    type Reply = Acquired;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        self.replicas.map_or(Lane::Shared, Lane::Replicated)
    }

    fn request(&self) -> Request {
        let (lease, fence_life) = (millis(self.lease), millis(self.fence_life));
        let not_after = self.not_after.0.to_string();
        let relock = if self.relock { relockable(&self.names.separator) } else { "" };
        let seen = self.replace.map_or(&[][..], |replace| &replace.seen);
        let life = self.replace.and_then(|replace| replace.life_at_most);
        let life = life.map_or_else(|| "-1".to_owned(), millis);
        let reserve = self.reserve.to_string();
        let arguments = [
            self.tag.as_str().as_bytes(),
            lease.as_bytes(),
            fence_life.as_bytes(),
            not_after.as_bytes(),
            relock.as_bytes(),
            seen,
            life.as_bytes(),
            reserve.as_bytes(),
            self.waiting.unwrap_or_default().as_bytes(),
        ];
        let names = self.names;
        let Some(fetch) = self.fetch else {
            return ACQUIRE.request(&[&names.record, &names.fence(), &names.wait()], arguments);
        };
        let keys =
            [&*names.record, &names.fence(), &names.wait(), &names.value(), &names.error(), &names.refresh()];
        let ahead = fetch.refresh_ahead.map_or_else(|| "-1".to_owned(), millis);
        let head = HEAD.to_string();
        let more =
            [fetch.waited_for.unwrap_or_default(), ahead.as_bytes(), head.as_bytes(), fetch.mark.as_bytes()];
        ACQUIRE.request(&keys, arguments.into_iter().chain(more))
    }

    fn reply(value: Value) -> Option<Acquired> {
        let mut fields = Fields::of(value)?;
        Some(match fields.word()?.as_str() {
            "granted" => Acquired::Granted { fence: fields.number()?, now: ServerTime(fields.number()?) },
            "held" => Acquired::Held {
                raw: fields.bytes()?,
                remaining: fields.life()?,
                now: ServerTime(fields.number()?),
                value: fields.bytes().map(|bytes| Excerpt::up_to(HEAD, bytes)),
            },
            "refresh" => Acquired::Refresh {
                fence: fields.number()?,
                raw: fields.bytes()?,
                now: ServerTime(fields.number()?),
                value: fields.bytes().map(|bytes| Excerpt::up_to(HEAD, bytes)),
            },
            "failed" => Acquired::Failed { note: fields.bytes()?, now: ServerTime(fields.number()?) },
            "late" => Acquired::Late { now: ServerTime(fields.number()?) },
            "spent" => Acquired::Spent,
            "type" => Acquired::WrongType(fields.word()?),
            "fence" => Acquired::StrangeFence(fields.word()?),
            _ => return None,
        })
    }

    fn confirmed(&self, reply: Acquired, confirmed: u64) -> Acquired {
        match reply {
            Acquired::Granted { now, .. } | Acquired::Refresh { now, .. }
                if self.replicas.is_some_and(|replicas| confirmed < replicas.count.into()) =>
            {
                Acquired::Unconfirmed { by: confirmed, now }
            }
            reply => reply,
        }
    }

    fn repeated(reply: Acquired) -> Acquired {
        Acquired::Repeated(Box::new(reply))
    }
}

impl Wire for Release<'_> {
    type Reply = Released;

    fn request(&self) -> Request {
        let expire = self.expire.map_or_else(|| "0".to_owned(), millis);
        let fence_life = millis(self.fence_life);
        let (tag, caller) = (self.tag.as_str().as_bytes(), self.caller.as_bytes());
        let arguments = [tag, expire.as_bytes(), fence_life.as_bytes(), caller];
        let names = self.names;
        let (fence, wait) = (names.fence(), names.wait());
        let mut keys = vec![&*names.record, &fence, &wait];
        let Some((value, life)) = self.value else {
            return RELEASE.request(&keys, arguments);
        };
        let (beside, error, life) = (names.value(), names.error(), millis(life));
        keys.extend([&*beside, &error]);
        let inside = inside(value, &mut keys);
        RELEASE.request(&keys, arguments.into_iter().chain([inside, life.as_bytes()]))
    }

    fn reply(value: Value) -> Option<Released> {
        let mut fields = Fields::of(value)?;
        Some(match fields.word()?.as_str() {
            "done" => Released::Done { others: fields.number()? },
            "computed" => Released::AlreadyComputed,
            "gone" => Released::Gone,
            "refused" => Released::Refused(fields.word()?),
            "held" => Released::Held(fields.bytes()?),
            "type" => Released::WrongType(fields.word()?),
            _ => return None,
        })
    }

    fn repeated(reply: Released) -> Released {
        if reply == Released::Gone { Released::Unknown } else { reply }
    }
}

impl Wire for Refresh<'_> {
    type Reply = Released;

    fn request(&self) -> Request {
        let release = &self.release;
        let expire = release.expire.unwrap_or_default();
        let value_life = release.value.map(|(_, life)| life).unwrap_or_default();
        let (expire, fence_life, value_life) =
            (millis(expire), millis(release.fence_life), millis(value_life));
        let names = release.names;
        let (fence, value, mark) = (names.fence(), names.value(), names.refresh());
        let mut keys = vec![&*names.record, &fence, &value, &mark];
        let inside = release.value.map_or(&[][..], |(value, _)| inside(value, &mut keys));
        let arguments = [
            release.tag.as_str().as_bytes(),
            expire.as_bytes(),
            fence_life.as_bytes(),
            inside,
            value_life.as_bytes(),
            self.seen,
        ];
        REFRESH.request(&keys, arguments)
    }

    fn reply(value: Value) -> Option<Released> {
        Release::reply(value)
    }
}

impl Wire for Fail<'_> {
    type Reply = bool;

    fn request(&self) -> Request {
        let life = millis(self.life);
        let arguments = [self.tag.as_str().as_bytes(), self.note, life.as_bytes()];
        FAIL.request(&[&self.names.record, &self.names.error()], arguments)
    }

    fn reply(value: Value) -> Option<bool> {
        Abandon::reply(value)
    }
}

/// What of a value goes with the release itself; of one that was sent ahead its key and its length do.
fn inside<'a>(value: &'a Sent, keys: &mut Vec<&'a str>) -> &'a [u8] {
    match value {
        Sent::With(value) => value,
        Sent::Ahead { key, length } => {
            keys.push(key);
            length.as_bytes()
        }
    }
}

/// The command that reads the first bytes of a string. One of another type is no string.
fn beginning(key: &str, bytes: usize) -> Cmd {
    let mut command = redis::cmd("GETRANGE");
    // Both ends are included, so that one byte more shows whether that is all.
    command.arg(key).arg(0).arg(bytes);
    command
}

/// What a plain read of a value's beginning gives; an empty one is none.
fn part(value: Option<Value>) -> Option<Excerpt> {
    match value {
        Some(Value::BulkString(bytes)) if !bytes.is_empty() => Some(Excerpt::up_to(WINDOW, bytes)),
        _ => None,
    }
}

impl Wire for Hit<'_> {
    type Reply = Seen;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Values
    }

    fn request(&self) -> Request {
        let mut life = redis::cmd("PTTL");
        life.arg(&self.names.record);
        let life = self.life.then_some(life);
        // The record first: what is read later can only belong to it or to a later turn, and names its own.
        let both = [beginning(&self.names.record, LONGEST), beginning(&self.names.value(), WINDOW)];
        Request::several(both.into_iter().chain(life).collect(), true)
    }

    fn reply(value: Value) -> Option<Seen> {
        let Value::Array(values) = value else { return None };
        let mut values = values.into_iter();
        let record = match values.next()? {
            Value::BulkString(record) if !record.is_empty() && record.len() <= LONGEST => Some(record),
            _ => None,
        };
        let value = part(values.next());
        let remaining = match values.next() {
            Some(Value::Int(millis)) => u64::try_from(millis).ok().map(Duration::from_millis),
            _ => None,
        };
        Some(Seen { record, value, remaining })
    }
}

impl Wire for ReadValue<'_> {
    type Reply = Option<Excerpt>;
    const STARTS: bool = true;

    fn lane(&self) -> Lane {
        Lane::Values
    }

    fn request(&self) -> Request {
        Request::several(vec![beginning(&self.0.value(), WINDOW)], true)
    }

    fn reply(value: Value) -> Option<Option<Excerpt>> {
        Some(part(if let Value::Array(values) = value { values.into_iter().next() } else { None }))
    }
}

impl Wire for Abandon<'_> {
    type Reply = bool;

    fn request(&self) -> Request {
        ABANDON.request(&[&self.names.record], [self.tag.as_str().as_bytes()])
    }

    fn reply(value: Value) -> Option<bool> {
        if let Value::Int(removed) = value { Some(removed == 1) } else { None }
    }
}

impl Wire for Renew<'_> {
    type Reply = Vec<bool>;

    fn lane(&self) -> Lane {
        Lane::Renewals
    }

    fn request(&self) -> Request {
        let keys: Vec<String> =
            self.0.iter().flat_map(|one| [one.names.record.clone(), one.names.fence()]).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let arguments: Vec<String> = (self.0.iter())
            .flat_map(|one| [one.tag.as_str().to_owned(), millis(one.life), millis(one.fence_life)])
            .collect();
        RENEW.request(&keys, arguments.iter().map(String::as_bytes))
    }

    fn reply(value: Value) -> Option<Vec<bool>> {
        let Value::Array(renewed) = value else { return None };
        renewed.into_iter().map(Abandon::reply).collect()
    }
}

impl Wire for Read<'_> {
    type Reply = Found;
    const STARTS: bool = true;

    fn request(&self) -> Request {
        READ.request(&[&self.0.record, &self.0.fence()], [])
    }

    fn reply(value: Value) -> Option<Found> {
        found(&mut Fields::of(value)?)
    }
}

impl Wire for Peek<'_> {
    type Reply = (Found, Option<Excerpt>);
    const STARTS: bool = true;

    fn request(&self) -> Request {
        let head = HEAD.to_string();
        READ.request(&[&self.0.record, &self.0.fence(), &self.0.value()], [head.as_bytes()])
    }

    fn reply(value: Value) -> Option<Self::Reply> {
        let mut fields = Fields::of(value)?;
        Some((found(&mut fields)?, fields.bytes().map(|bytes| Excerpt::up_to(HEAD, bytes))))
    }
}

fn found(fields: &mut Fields) -> Option<Found> {
    Some(match fields.word()?.as_str() {
        "free" => Found::Free,
        "held" => Found::Held { raw: fields.bytes()?, remaining: fields.life()?, fence: fields.number() },
        "type" => Found::WrongType(fields.word()?),
        _ => return None,
    })
}

impl Wire for Forget<'_> {
    type Reply = Forgotten;
    const STARTS: bool = true;

    fn request(&self) -> Request {
        let names = self.0;
        let patterns = any_record(&names.separator);
        let patterns = patterns.iter().map(String::as_bytes);
        FORGET.request(&[&names.record, &names.value(), &names.error()], patterns)
    }

    fn reply(value: Value) -> Option<Forgotten> {
        let mut fields = Fields::of(value)?;
        Some(match fields.word()?.as_str() {
            "forgotten" => Forgotten::Done(fields.number()? == 1),
            "foreign" => Forgotten::Foreign(fields.bytes()?),
            "type" => Forgotten::WrongType(fields.word()?),
            _ => return None,
        })
    }
}

impl Wire for Time {
    type Reply = ServerTime;
    const STARTS: bool = true;

    fn request(&self) -> Request {
        Request::plain(redis::cmd("TIME"))
    }

    fn reply(value: Value) -> Option<ServerTime> {
        let mut fields = Fields::of(value)?;
        let (seconds, micros) = (fields.number()?, fields.number()?);
        Some(ServerTime(seconds * 1_000_000 + micros))
    }
}

impl Wire for Ping {
    type Reply = ();

    fn request(&self) -> Request {
        Request::plain(redis::cmd("PING"))
    }

    fn reply(_: Value) -> Option<()> {
        Some(())
    }
}
