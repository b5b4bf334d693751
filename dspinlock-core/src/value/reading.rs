//! How a value is read that stands in the store: plainly where one was seen before, and the rest of a large one aside.

use crate::engine::flight::Landing;
use crate::format::envelope::Label;
use crate::store::{Excerpt, Hit, ReadValue};
use crate::value::request::Wish;

impl Wish {
    /// What stands in the store, by a plain look, if that is likely to be worth it; an error if a large value was there and
    /// could not be read on.
    ///
    /// Nobody is told of a miss, nor of a look that failed: the request for the lock comes next, and shows the same.
    pub(super) async fn hit(&self) -> Option<Landing> {
        let (store, names) = (&self.core.store, &self.spec.names);
        // Whoever keeps a copy has to be told of changes, which only a look of the other kind brings about.
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
            Err(error) => return Some(Landing::Error(self.spec.name(error))),
        };
        let payload = label.open(part.bytes, &record, &names.separator).ok()?;
        Some(Landing::Value { payload, record: Some(record.into()) })
    }

    /// A record and the beginning of a value that belongs to it, and may be taken.
    async fn seen(&self, label: &Label) -> Option<(Vec<u8>, Excerpt)> {
        let (names, ahead) = (&self.spec.names, self.caching.refresh_ahead);
        let seen = self.core.store.call(&Hit { names, life: ahead.is_some() }).await.ok()?;
        let is_due = seen.remaining.zip(ahead).is_some_and(|(life, ahead)| life <= ahead);
        let record = seen.record.filter(|record| !is_due && !self.distrust.concerns(record))?;
        let part = seen.value?;
        label.header(&part.bytes, Some((&record, &names.separator))).ok()?;
        Some((record, part))
    }

    /// The last good value, whichever turn computed it.
    pub(super) async fn last_good(&self) -> Option<Landing> {
        let (store, names, label) = (&self.core.store, &self.spec.names, self.label.as_ref()?);
        let part = store.call(&ReadValue(names)).await.ok()??;
        let part = store.complete(names, label, (part, None), self.caching.max_value).await.ok()??;
        let (_, payload) = label.open_any(part.bytes).ok().filter(|_| part.whole)?;
        Some(Landing::Value { payload, record: None })
    }
}
