//! All operations of the memory store but the acquire.

use super::entries::is;
use super::{Entries, Now};
use crate::clock::Tick;
use crate::format::record::{LONGEST, Record, State};
use crate::format::scheme::Names;
use crate::store::backend::{End, Look, Reply, Request};
use crate::store::{
    Abandon, Excerpt, Fail, Forgotten, Found, Hit, Refresh, Release, Released, Renew, Seen, Sent,
};

impl Entries {
    pub(super) fn reply(&mut self, request: Request<'_>, now: Now) -> Reply {
        match request {
            Request::Acquire(acquire) => Reply::Acquired(self.acquire(acquire, now)),
            Request::End(End::Release(release)) => Reply::Released(self.release(release, now)),
            Request::End(End::Refresh(refresh)) => Reply::Released(self.refresh(refresh, now)),
            Request::End(End::Abandon(abandon)) => Reply::Abandoned(self.abandon(abandon, now)),
            Request::End(End::Fail(fail)) => Reply::Abandoned(self.fail(fail, now)),
            Request::Renew(renew) => Reply::Renewed(self.renew(renew, now).into_iter().map(Some).collect()),
            Request::Look(Look::Read(names)) => Reply::Found(self.read(names, now), None),
            Request::Look(Look::Peek(names)) => self.peek(names, now),
            Request::Look(Look::Hit(hit)) => Reply::Seen(self.hit(hit, now)),
            Request::Look(Look::Value(names)) => Reply::Value(self.value(names, now.tick)),
            Request::Forget(names) => Reply::Forgotten(self.forget(names, now)),
            Request::Time(_) => Reply::Time(now.server),
            Request::Ping => Reply::Alive,
        }
    }

    pub(crate) fn release(&mut self, release: &Release<'_>, now: Now) -> Released {
        let Release { names, tag, .. } = *release;
        if !self.is_blocked_by(&names.record, tag, now.tick) {
            return match self.get(&names.record, now.tick) {
                None => Released::Gone,
                found if is(found, tag, State::Computed) => Released::AlreadyComputed,
                Some(raw) => Released::Held(raw.to_vec()),
            };
        }
        if release.expire.is_some() {
            self.compute(release, now);
            if release.value.is_some() {
                self.remove(&names.error());
            }
        } else {
            self.remove(&names.record);
        }
        // All waiters are callers of this process.
        Released::Done { others: 0 }
    }

    fn refresh(&mut self, refresh: &Refresh<'_>, now: Now) -> Released {
        let Release { names, tag, .. } = refresh.release;
        if self.is_blocked_by(&names.refresh(), tag, now.tick) {
            self.remove(&names.refresh());
        }
        match self.get(&names.record, now.tick) {
            None => Released::Gone,
            found if is(found, tag, State::Computed) => Released::AlreadyComputed,
            Some(raw) if raw != refresh.seen => Released::Held(raw.to_vec()),
            Some(_) => {
                self.compute(&refresh.release, now);
                Released::Done { others: 0 }
            }
        }
    }

    /// Marks the record as COMPUTED, and stores its value.
    fn compute(&mut self, release: &Release<'_>, now: Now) {
        let Release { names, tag, expire, value, .. } = *release;
        self.put_record(&names.record, tag, State::Computed, expire, now.tick);
        if let Some((Sent::With(value), life)) = value {
            self.put(&names.value(), value.to_vec(), Some(life), now.tick);
        }
    }

    pub(crate) fn abandon(&mut self, abandon: &Abandon<'_>, now: Now) -> bool {
        let record = &abandon.names.record;
        let held = self.is_blocked_by(record, abandon.tag, now.tick);
        if held {
            self.remove(record);
        }
        held
    }

    fn fail(&mut self, fail: &Fail<'_>, now: Now) -> bool {
        let held = self.abandon(&Abandon { names: fail.names, tag: fail.tag }, now);
        if held {
            self.put(&fail.names.error(), fail.note.to_vec(), Some(fail.life), now.tick);
        }
        held
    }

    pub(crate) fn renew(&mut self, renew: &Renew<'_>, now: Now) -> Vec<bool> {
        let mut renewed = Vec::with_capacity(renew.0.len());
        for one in &renew.0 {
            let held = self.is_blocked_by(&one.names.record, one.tag, now.tick);
            if held {
                self.extend(&one.names.record, one.life, now.tick);
            }
            renewed.push(held);
        }
        renewed
    }

    pub(crate) fn read(&self, names: &Names, now: Now) -> Found {
        let remaining = self.remaining(&names.record, now.tick);
        match self.get(&names.record, now.tick) {
            Some(raw) => Found::Held { raw: raw.to_vec(), remaining },
            None => Found::Free,
        }
    }

    fn peek(&self, names: &Names, now: Now) -> Reply {
        let found = self.read(names, now);
        let computed = matches!(&found, Found::Held { raw, .. } if raw.ends_with(b"1"));
        let value = if computed { self.value(names, now.tick) } else { None };
        Reply::Found(found, value)
    }

    fn hit(&self, hit: &Hit<'_>, now: Now) -> Seen {
        let is_record = |raw: &&[u8]| (1..=LONGEST).contains(&raw.len());
        let record = self.get(&hit.names.record, now.tick).filter(is_record).map(<[u8]>::to_vec);
        Seen { record, value: self.value(hit.names, now.tick) }
    }

    fn forget(&mut self, names: &Names, now: Now) -> Forgotten {
        let found = self.get(&names.record, now.tick);
        let is_there = found.is_some();
        if let Some(raw) = found
            && Record::parse(raw, &names.separator).is_err()
        {
            return Forgotten::Foreign(raw.to_vec());
        }
        self.remove(&names.value());
        self.remove(&names.error());
        self.remove(&names.record);
        Forgotten::Done(is_there)
    }

    /// The value, unless it is empty.
    pub(super) fn value(&self, names: &Names, now: Tick) -> Option<Excerpt> {
        let bytes = self.get(&names.value(), now).filter(|bytes| !bytes.is_empty())?;
        Some(Excerpt::whole(bytes.to_vec()))
    }
}
