//! What the replies of the server mean.

use super::requests::{HEAD, WINDOW};
use crate::clock::ServerTime;
use crate::format::record::LONGEST;
use crate::options::Replicas;
use crate::store::backend::{End, Look, Reply, Request};
use crate::store::{Acquired, Excerpt, Extent, Forgotten, Found, Hit, Released, Seen};
use redis::Value;
use std::time::Duration;

/// Reads the reply to `request`; `None` if the request can't have such a reply.
pub(super) fn reply(request: Request<'_>, value: Value) -> Option<Reply> {
    Some(match request {
        Request::Acquire(acquire) => Reply::Acquired(match acquire.replicas {
            None => acquired(value)?,
            Some(replicas) => confirmed(value, replicas)?,
        }),
        Request::End(End::Release(_) | End::Refresh(_)) => Reply::Released(released(value)?),
        Request::End(End::Abandon(_) | End::Fail(_)) => Reply::Abandoned(flag(&value)?),
        Request::Renew(_) => {
            let Value::Array(renewed) = value else { return None };
            Reply::Renewed(renewed.iter().map(|renewed| Some(Some(flag(renewed)?))).collect::<Option<_>>()?)
        }
        Request::Look(Look::Read(_) | Look::Peek(_)) => {
            let mut fields = Fields::of(value)?;
            Reply::Found(found(&mut fields)?, fields.excerpt())
        }
        Request::Look(Look::Hit(hit)) => Reply::Seen(seen(hit, value)?),
        Request::Look(Look::Value(_)) => Reply::Value(window(Some(value))),
        Request::Forget(_) => Reply::Forgotten(forgotten(value)?),
        Request::Time(_) => {
            let mut fields = Fields::of(value)?;
            let (seconds, micros) = (fields.number()?, fields.number()?);
            Reply::Time(ServerTime(seconds * 1_000_000 + micros))
        }
        Request::Ping => Reply::Alive,
    })
}

/// Reads the replies to [`renew_each`](super::requests::renew_each), of at least two locks; `None` for each that has none.
pub(super) fn renewed_each(value: Value) -> Vec<Option<bool>> {
    let Value::Array(replies) = value else { return Vec::new() };
    let renewed = |reply: &Value| match reply {
        Value::Array(one) => one.first().and_then(flag),
        _ => None,
    };
    replies.iter().map(renewed).collect()
}

fn acquired(value: Value) -> Option<Acquired> {
    // The common case: the token is the server's time.
    if let Value::BulkString(digits) = &value {
        let now = number(digits)?;
        return Some(Acquired::Granted { fence: now, now: ServerTime(now) });
    }
    let mut fields = Fields::of(value)?;
    Some(match fields.word()?.as_str() {
        "granted" => Acquired::Granted { fence: fields.number()?, now: fields.time()? },
        "held" => Acquired::Held {
            raw: fields.bytes()?,
            remaining: fields.life()?,
            now: fields.time()?,
            value: fields.excerpt(),
        },
        "failed" => Acquired::Failed { note: fields.bytes()?, now: fields.time()? },
        "late" => Acquired::Late { now: fields.time()? },
        "spent" => Acquired::Spent,
        "type" => Acquired::WrongType(fields.word()?),
        "fence" => Acquired::StrangeFence(fields.word()?),
        _ => return None,
    })
}

/// The reply to an acquire, and how many replicas have confirmed what it wrote.
fn confirmed(value: Value, replicas: Replicas) -> Option<Acquired> {
    let Value::Array(both) = value else { return None };
    let [reply, Value::Int(by)] = <[Value; 2]>::try_from(both).ok()? else { return None };
    let by = u64::try_from(by).ok()?;
    Some(match acquired(reply)? {
        Acquired::Granted { now, .. } if by < replicas.count.into() => Acquired::Unconfirmed { by, now },
        reply => reply,
    })
}

fn released(value: Value) -> Option<Released> {
    if let Value::Int(others) = value {
        return Some(Released::Done { others: u64::try_from(others).ok()? });
    }
    let mut fields = Fields::of(value)?;
    Some(match fields.word()?.as_str() {
        "computed" => Released::AlreadyComputed,
        "gone" => Released::Gone,
        "refused" => Released::Refused(fields.word()?),
        "held" => Released::Held(fields.bytes()?),
        "type" => Released::WrongType(fields.word()?),
        _ => return None,
    })
}

fn flag(value: &Value) -> Option<bool> {
    if let Value::Int(number) = value { Some(*number == 1) } else { None }
}

fn found(fields: &mut Fields) -> Option<Found> {
    Some(match fields.word()?.as_str() {
        "free" => Found::Free,
        "held" => Found::Held { raw: fields.bytes()?, remaining: fields.life()? },
        "type" => Found::WrongType(fields.word()?),
        _ => return None,
    })
}

fn seen(hit: &Hit<'_>, value: Value) -> Option<Seen> {
    let Value::Array(values) = value else { return None };
    let mut values = values.into_iter();
    let record = string(values.next()).filter(|record| record.len() <= LONGEST);
    let value = match hit.extent {
        Extent::Whole(_) => string(values.next()).map(Excerpt::whole),
        Extent::Beginning => window(values.next()),
    };
    Some(Seen { record, value })
}

/// The beginning of a value that was read plainly.
fn window(value: Option<Value>) -> Option<Excerpt> {
    string(value).map(|bytes| excerpt(WINDOW, bytes))
}

/// A string that is not empty. Something of another type is none.
fn string(value: Option<Value>) -> Option<Vec<u8>> {
    match value {
        Some(Value::BulkString(bytes)) if !bytes.is_empty() => Some(bytes),
        _ => None,
    }
}

/// The reply to a read of `limit` bytes and one more.
fn excerpt(limit: usize, bytes: Vec<u8>) -> Excerpt {
    Excerpt { whole: bytes.len() <= limit, bytes }
}

fn forgotten(value: Value) -> Option<Forgotten> {
    let mut fields = Fields::of(value)?;
    Some(match fields.word()?.as_str() {
        "forgotten" => Forgotten::Done(fields.number()? == 1),
        "foreign" => Forgotten::Foreign(fields.bytes()?),
        "type" => Forgotten::WrongType(fields.word()?),
        _ => return None,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// The fields of a script's reply, taken one after the other.
struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    fn of(value: Value) -> Option<Self> {
        if let Value::Array(fields) = value { Some(Self(fields.into_iter())) } else { None }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    fn word(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn excerpt(&mut self) -> Option<Excerpt> {
        self.bytes().map(|bytes| excerpt(HEAD, bytes))
    }

    fn number(&mut self) -> Option<u64> {
        match self.0.next()? {
            Value::Int(number) => u64::try_from(number).ok(),
            Value::BulkString(digits) => number(&digits),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<ServerTime> {
        self.number().map(ServerTime)
    }

    /// A reply of `PTTL`: the remaining life, or none where the key never expires.
    #[expect(
        clippy::option_option,
        reason = "the outer one is a malformed reply, the inner one a key without expiry"
    )]
    fn life(&mut self) -> Option<Option<Duration>> {
        match self.0.next()? {
            Value::Int(millis) => Some(u64::try_from(millis).ok().map(Duration::from_millis)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_another_shape_is_none() {
        assert_eq!(acquired(Value::Nil), None);
        assert_eq!(acquired(Value::Array(vec![Value::SimpleString("granted".into())])), None);
        assert_eq!(
            confirmed(Value::Array(vec![Value::Nil]), Replicas { count: 1, within: Duration::ZERO }),
            None
        );
        assert_eq!(acquired(Value::BulkString(b"soon".to_vec())), None);
        assert_eq!(released(Value::Int(-1)), None);
        assert_eq!(flag(&Value::Nil), None);
    }
}
