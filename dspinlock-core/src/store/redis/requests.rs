//! Each request as commands: its script with keys and arguments, in the order in which the script names them.

use super::link::{Batch, Lane, Limits};
use super::scripts::{
    ABANDON, ACQUIRE, FAIL, FORGET, READ, REFRESH, RELEASE, RENEW, Script, TIME, any_record, millis,
};
use crate::format::record::{LONGEST, State};
use crate::format::scheme::Names;
use crate::options::Replicas;
use crate::store::backend::{End, Look, Request};
use crate::store::{Acquire, Extent, Fail, Hit, Refresh, Release, Renew, Sent};
use redis::Cmd;

/// The bytes of a value that come with its record in the reply to an acquire or a peek: enough to identify the value, and
/// too few to delay a lock, however many callers there are.
pub(super) const HEAD: usize = 4 << 10;

/// The bytes of a large value that a plain read asks for first.
pub(super) const WINDOW: usize = 64 << 10;

pub(super) fn batch(request: Request<'_>, limits: Limits) -> Batch {
    match request {
        Request::Acquire(acquire) => self::acquire(acquire, limits),
        Request::End(End::Release(release)) => self::release(release),
        Request::End(End::Refresh(refresh)) => self::refresh(refresh),
        Request::End(End::Abandon(abandon)) => {
            let mut command = ABANDON.on(&[&abandon.names.record], 0);
            command.arg(abandon.tag.as_str());
            ABANDON.batch(command)
        }
        Request::End(End::Fail(fail)) => self::fail(fail),
        Request::Renew(renew) => self::renew(renew),
        Request::Look(Look::Read(names)) => beginning(READ.batch(READ.on(&[&names.record], 0))),
        Request::Look(Look::Peek(names)) => {
            let mut command = READ.on(&[&names.record, &names.value()], 0);
            command.arg(HEAD);
            beginning(READ.batch(command))
        }
        Request::Look(Look::Hit(hit)) => self::hit(hit),
        Request::Look(Look::Value(names)) => {
            Batch::of_values(vec![first_bytes(&names.value(), WINDOW)], Lane::Values)
        }
        Request::Forget(names) => {
            let mut command = FORGET.on(&[&names.record, &names.value(), &names.error()], 512);
            command.arg(&any_record(&names.separator));
            beginning(FORGET.batch(command))
        }
        // By a script, as all that is in the server's time: a proxy may refuse the plain command.
        Request::Time(_) => beginning(TIME.batch(TIME.on(&[], 0))),
        Request::Ping => Batch::plain(redis::cmd("PING")),
    }
}

impl Script {
    fn batch(&'static self, command: Cmd) -> Batch {
        Batch { script: Some(self), ..Batch::plain(command) }
    }
}

fn beginning(batch: Batch) -> Batch {
    Batch { begins: true, ..batch }
}

/// The key of the processes that wait.
pub(super) fn wait(names: &Names) -> String {
    names.beside("wait")
}

fn acquire(acquire: &Acquire<'_>, limits: Limits) -> Batch {
    let Acquire { names, fetch, replace, .. } = *acquire;
    let (record, fence) = (&*names.record, &*names.fence);
    let mut command = match (fetch, acquire.waiting) {
        (None, None) => ACQUIRE.on(&[record, fence], 256),
        (None, Some(_)) => ACQUIRE.on(&[record, fence, &wait(names)], 256),
        (Some(_), _) => ACQUIRE.on(&[record, fence, &wait(names), &names.value(), &names.error()], 512),
    };
    command.arg(acquire.tag.record(State::Blocked)).arg(millis(acquire.lease)).arg(acquire.not_after.0);
    let reserve = if acquire.reserve == 0 { String::new() } else { acquire.reserve.to_string() };
    // The script knows its own records by the usual separator.
    let leaves_computed = if acquire.relock && names.separator == "," { "" } else { "1" };
    let life = replace.and_then(|replace| replace.life_at_most).map(|life| millis(life).to_string());
    let fetched = fetch.unwrap_or_default();
    let head = fetch.map(|_| HEAD.to_string());
    let optional = [
        acquire.waiting.unwrap_or_default().as_bytes(),
        reserve.as_bytes(),
        leaves_computed.as_bytes(),
        replace.map_or(&[], |replace| &replace.seen),
        life.as_deref().unwrap_or_default().as_bytes(),
        fetched.waited_for.unwrap_or_default(),
        fetched.label.as_bytes(),
        head.as_deref().unwrap_or_default().as_bytes(),
    ];
    let needed = optional.iter().rposition(|word| !word.is_empty()).map_or(0, |last| last + 1);
    for word in &optional[..needed] {
        command.arg(word);
    }
    let mut batch = beginning(ACQUIRE.batch(command));
    if let Some(Replicas { count, within }) = acquire.replicas {
        let mut confirmation = redis::cmd("WAIT");
        confirmation.arg(count).arg(millis(within.min(limits.response_timeout / 2)));
        batch.commands.push(confirmation);
        batch.lane = Lane::Confirmed;
    }
    batch
}

fn release(release: &Release<'_>) -> Batch {
    let Release { names, value, .. } = *release;
    let wait = wait(names);
    let mut command = match (value, release.caller) {
        (None, None) => RELEASE.on(&[&names.record], 0),
        (None, Some(caller)) => RELEASE.on(&[&names.record, &wait], caller.len()),
        (Some((Sent::With(value), _)), _) => {
            RELEASE.on(&[&names.record, &wait, &names.value(), &names.error()], value.len())
        }
        (Some((Sent::Ahead { key, .. }, _)), _) => {
            RELEASE.on(&[&names.record, &wait, &names.value(), &names.error(), key], 0)
        }
    };
    command.arg(release.tag.as_str()).arg(release.caller.unwrap_or_default());
    if let Some(expire) = release.expire {
        command.arg(millis(expire));
    }
    if let Some((value, life)) = value {
        value_or_length(&mut command, value).arg(millis(life));
    }
    RELEASE.batch(command)
}

fn refresh(refresh: &Refresh<'_>) -> Batch {
    let Release { names, value, .. } = refresh.release;
    let keys = [&*names.record, &names.value(), &names.refresh()];
    let mut command = match value {
        Some((Sent::With(value), _)) => REFRESH.on(&keys, value.len() + LONGEST),
        Some((Sent::Ahead { key, .. }, _)) => REFRESH.on(&[&keys[..], &[key]].concat(), LONGEST),
        None => REFRESH.on(&keys, LONGEST),
    };
    command.arg(refresh.release.tag.as_str()).arg(refresh.release.expire.map_or(0, millis));
    match value {
        Some((value, life)) => value_or_length(&mut command, value).arg(millis(life)),
        None => command.arg("").arg(0),
    };
    command.arg(refresh.seen);
    REFRESH.batch(command)
}

/// The value itself, or the length of the one that was sent ahead.
fn value_or_length<'a>(command: &'a mut Cmd, value: &Sent) -> &'a mut Cmd {
    match value {
        Sent::With(value) => command.arg(&**value),
        Sent::Ahead { length, .. } => command.arg(*length),
    }
}

fn fail(fail: &Fail<'_>) -> Batch {
    let mut command = FAIL.on(&[&fail.names.record, &fail.names.error()], fail.note.len());
    command.arg(fail.tag.as_str()).arg(fail.note).arg(millis(fail.life));
    FAIL.batch(command)
}

fn renew(renew: &Renew<'_>) -> Batch {
    let records: Vec<&str> = renew.0.iter().map(|one| &*one.names.record).collect();
    let mut command = RENEW.on(&records, 128 * records.len());
    for one in &renew.0 {
        command.arg(one.tag.as_str()).arg(millis(one.life));
    }
    Batch { lane: Lane::Renewals, ..RENEW.batch(command) }
}

/// Renewals as a script for each lock, so that they need not share a slot, nor one that is on its way to another node.
pub(super) fn renew_each(renew: &Renew<'_>) -> Batch {
    let each = renew.0.iter().flat_map(|one| self::renew(&Renew(vec![*one])).commands).collect();
    Batch { commands: each, lenient: true, lane: Lane::Renewals, ..RENEW.batch(Cmd::new()) }
}

fn hit(hit: &Hit<'_>) -> Batch {
    let (record, value) = (&hit.names.record, hit.names.value());
    match hit.extent {
        Extent::Whole(_) => {
            let mut both = Cmd::with_capacity(3, record.len() + value.len() + 16);
            both.arg("MGET").arg(record).arg(value);
            Batch { lane: Lane::Values, ..beginning(Batch::plain(both)) }
        }
        // The record first: a value that is read later belongs to its turn or to a later one, and names that.
        Extent::Beginning => {
            let commands = vec![first_bytes(record, LONGEST), first_bytes(&value, WINDOW)];
            Batch::of_values(commands, Lane::Values)
        }
    }
}

/// The command that reads the first bytes of a string, and one more, which shows whether that is all.
fn first_bytes(key: &str, bytes: usize) -> Cmd {
    let mut command = redis::cmd("GETRANGE");
    command.arg(key).arg(0).arg(bytes);
    command
}
