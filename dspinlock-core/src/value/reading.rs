//! Plain reads of a stored value, which take no lock, and the mark for whoever computes the next one.

use crate::clock::Tick;
use crate::engine::attempt::{Attempt, Door, Outcome};
use crate::engine::flight::FlightResult;
use crate::engine::guard::Guard;
use crate::engine::spin::Policy;
use crate::format::envelope::{Label, Stored};
use crate::store::{Excerpt, Found, Hit, Read, ReadValue};
use crate::value::request::CacheRequest;
use std::sync::Arc;
use std::time::Duration;

/// A record, the beginning of its value, and until when both live.
struct StoredPart {
    record: Vec<u8>,
    part: Excerpt,
    until: Option<Tick>,
}

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
        let StoredPart { record, part, until } = found?;
        let part = store.complete(names, label, (part, Some(&record)), self.caching.max_value).await;
        let part = match part {
            Ok(part) => part.filter(|part| part.whole)?,
            Err(error) => return Some(FlightResult::Error(self.spec.name(error))),
        };
        let payload = label.open(part.bytes, &record, &names.separator).ok()?;
        Some(FlightResult::Value(Stored { payload, record: Some(record.into()), until }))
    }

    /// Reads a record and the beginning of its value, if the value may be used.
    async fn seen(&self, label: &Label) -> Option<StoredPart> {
        let (names, sent) = (&self.spec.names, Tick::now());
        let life = self.caching.refresh_ahead.is_some();
        let seen = self.core.store.call(&Hit { names, life }).await.ok()?;
        let record = seen.record.filter(|record| !self.distrust.concerns(record))?;
        let part = seen.value?;
        label.header(&part.bytes, Some((&record, &names.separator))).ok()?;
        Some(StoredPart { record, part, until: seen.remaining.map(|remaining| sent + remaining) })
    }

    /// Takes the mark of the caller that refreshes ahead, if this value expires soon and no other caller has the mark.
    pub(super) async fn refreshes_ahead(&self, stored: &Stored) -> Option<Guard> {
        let (ahead, until) = (self.caching.refresh_ahead?, stored.until?);
        if Tick::now() < until.before(ahead) {
            return None;
        }
        let mark = Arc::new(self.spec.of_the_mark());
        let attempt = Attempt::new(Arc::clone(&self.core), mark, Policy::TRY, Duration::ZERO);
        let mark = match attempt.run(Door::Task).await {
            Ok(Outcome::Entered(mark)) => mark,
            // Another caller refreshes.
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(target: "dspinlock", %error, "could not refresh ahead; the value is still good");
                return None;
            }
        };
        // Another caller may have replaced the value before this one had the mark.
        match self.core.store.call(&Read(&self.spec.names)).await {
            Ok(Found::Held { raw, .. }) if Some(&*raw) == stored.record.as_deref() => Some(mark),
            _ => None,
        }
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
