//! Plain reads of a stored value, which take no lock.

use crate::engine::flight::FlightResult;
use crate::format::envelope::{Label, Stored};
use crate::store::{Excerpt, Hit, ReadValue};
use crate::value::request::CacheRequest;

impl CacheRequest {
    /// Reads the stored value, if one was seen here before. The result is an error if a large value was there and the rest
    /// of it could not be read.
    ///
    /// A miss and a failed read give `None`: the request for the lock comes next, and shows the same.
    pub(super) async fn hit(&self) -> Option<FlightResult> {
        let (store, names) = (&self.core.store, &self.spec.names);
        // A local copy needs the server to report changes, which it does not after a plain read.
        let label = self.label.as_ref().filter(|_| self.caching.local.is_none())?;
        if !store.hints().has_value(&names.record) {
            return None;
        }
        let found = self.seen(label).await;
        store.hints().note(&names.record, found.is_some());
        let (record, part) = found?;
        let part = store.complete(names, label, (part, Some(&record)), self.caching.max_value).await;
        let part = match part {
            Ok(part) => part.filter(|part| part.whole)?,
            Err(error) => return Some(FlightResult::Error(self.spec.name(error))),
        };
        let payload = label.open(part.bytes, &record, &names.separator).ok()?;
        Some(FlightResult::Value(Stored { payload, record: Some(record.into()), until: None }))
    }

    /// Reads a record and the beginning of its value, if the value may be used.
    async fn seen(&self, label: &Label) -> Option<(Vec<u8>, Excerpt)> {
        let (names, ahead) = (&self.spec.names, self.caching.refresh_ahead);
        let seen = self.core.store.call(&Hit { names, life: ahead.is_some() }).await.ok()?;
        let is_due = seen.remaining.zip(ahead).is_some_and(|(life, ahead)| life <= ahead);
        let record = seen.record.filter(|record| !is_due && !self.distrust.concerns(record))?;
        let part = seen.value?;
        label.header(&part.bytes, Some((&record, &names.separator))).ok()?;
        Some((record, part))
    }

    /// Reads the last good value, whichever turn computed it.
    pub(super) async fn last_good(&self) -> Option<Stored> {
        let (store, names, label) = (&self.core.store, &self.spec.names, self.label.as_ref()?);
        let part = store.call(&ReadValue(names)).await.ok()??;
        let part = store.complete(names, label, (part, None), self.caching.max_value).await.ok()??;
        let (_, payload) = label.open_any(part.bytes).ok().filter(|_| part.whole)?;
        Some(Stored::alone(payload))
    }
}
