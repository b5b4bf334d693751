//! Plain reads of a stored value, which take no lock, and the mark for whoever computes the next one.

use crate::clock::Tick;
use crate::engine::attempt::{Attempt, Door, Outcome};
use crate::engine::flight::FlightResult;
use crate::engine::guard::Guard;
use crate::engine::spin::Policy;
use crate::error::Result;
use crate::format::envelope::{Header, Label, Stored};
use crate::store::{Excerpt, Extent, Found, Hint, Hit, Read, ReadValue, Seen};
use crate::value::request::CacheRequest;
use std::sync::Arc;
use std::time::Duration;

/// The largest value that each caller reads for itself, in bytes.
const SMALL: usize = 64 << 10;

/// A record and the beginning of its value, which may be used.
struct StoredPart {
    record: Vec<u8>,
    header: Header,
    part: Excerpt,
}

impl CacheRequest {
    /// Reads a small stored value from the caller's own task or thread, if one was seen there. Others are read once
    /// for all callers of this process, by their flight.
    pub(super) async fn small_hit(&self, door: Door) -> Option<Stored> {
        // A copy needs the connection that listens.
        if self.caching.local.is_some() {
            return None;
        }
        self.core.check_open().ok()?;
        let (store, names, label) = (&self.core.store, &self.spec.names, self.label.as_ref()?);
        let hint = store.hints().of(&names.record, &label.schema);
        let is_small = |extent: &Extent| matches!(extent, Extent::Whole(length) if *length <= SMALL);
        let extent = hint.seen_extent().filter(is_small)?;
        let read = Hit { names, extent };
        let seen = match door {
            Door::Task => store.call_here(&read).await,
            Door::Thread => store.call_blocking(&read),
        };
        let FlightResult::Value(stored) = self.found(seen, hint, extent).await? else { return None };
        self.core.unshared.remove(&names.record);
        // One of the callers computes the next value then.
        (!self.is_due(&stored)).then_some(stored)
    }

    /// Reads the stored value for a flight, if one is expected there. The result is an error if a large value was there and the
    /// rest of it could not be read.
    ///
    /// A miss, a failed read and a client that was shut down give `None`: the request for the lock comes next, and shows the same.
    pub(super) async fn hit(&self) -> Option<FlightResult> {
        self.core.check_open().ok()?;
        let (store, names, label) = (&self.core.store, &self.spec.names, self.label.as_ref()?);
        let hint = store.hints().of(&names.record, &label.schema);
        let extent = hint.extent()?;
        let read = Hit { names, extent };
        if self.caching.local.is_none() {
            return self.found(store.call(&read).await, hint, extent).await;
        }
        let mut listener = store.wakeups().listen(&names.record);
        listener.attend();
        let seen = store.call_tracked(&read).await.0;
        let result = self.found(seen, hint, extent).await;
        if let Some(FlightResult::Value(stored)) = &result {
            self.core.keep_copy(&listener, &self.spec, &self.caching, stored);
        }
        result
    }

    /// The result of a plain read, and of reading on where that was the beginning of a large value.
    async fn found(&self, seen: Result<Seen>, hint: Hint<'_>, extent: Extent) -> Option<FlightResult> {
        let (store, names, label) = (&self.core.store, &self.spec.names, self.label.as_ref()?);
        let Ok(seen) = seen else {
            hint.failed(extent);
            return None;
        };
        let usable = self.usable(seen, label);
        if usable.is_none() {
            hint.note(None);
        }
        let StoredPart { record, header, part } = usable?;
        let bytes = match store.read_on(names, part, &header, self.caching.max_value).await {
            Ok(bytes) => bytes?,
            // The request for the lock is sent again until that has passed.
            Err(error) if error.passes() => return None,
            Err(error) => return Some(FlightResult::Error(self.spec.name(error))),
        };
        hint.note(Some(bytes.len()));
        let until = header.until.and_then(|until| store.tick_at(names, until));
        Some(FlightResult::Value(Stored {
            payload: header.content(bytes),
            record: Some(record.into()),
            until,
        }))
    }

    /// Whether the value expires so soon that the next one is computed now.
    fn is_due(&self, stored: &Stored) -> bool {
        let due = stored.until.zip(self.caching.refresh_ahead).map(|(until, ahead)| until.before(ahead));
        due.is_some_and(|due| Tick::now() >= due)
    }

    /// What was seen, if it is the value that this caller wants, and may be used.
    fn usable(&self, seen: Seen, label: &Label) -> Option<StoredPart> {
        let record = seen.record.filter(|record| !self.distrust.concerns(record))?;
        let part = seen.value?;
        let header = label.header(&part.bytes, Some((&record, &self.spec.names.separator))).ok()?;
        Some(StoredPart { record, header, part })
    }

    /// Takes the mark of the caller that refreshes ahead, if this value expires soon and no other caller has the mark.
    pub(super) async fn refreshes_ahead(&self, stored: &Stored) -> Option<Guard> {
        if !self.is_due(stored) {
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
        let header = label.header(&part.bytes, None).ok()?;
        let bytes = store.read_on(names, part, &header, self.caching.max_value).await.ok()??;
        Some(Stored::alone(header.content(bytes)))
    }
}
