//! The end of a computation: how the lock is given back, what is stored, and what the other callers get.

use crate::engine::ending::Ending;
use crate::engine::flight::{FlightResult, Lead};
use crate::engine::guard::Guard;
use crate::engine::unshared::RETRY;
use crate::error::{Error, Result};
use crate::format::envelope::{Label, Payload, Stored};
use crate::format::note::{Failure, Note, Reach};
use crate::options::OnLost;
use crate::store::{Refresh, Release, Released, Sent};
use crate::value::request::{CacheRequest, Leader, Role};
use std::time::Duration;

/// The shortest time for which a turn's note is kept for its waiters.
const NOTE_LIFE: Duration = Duration::from_secs(10);

/// What a computation gave the callers that want its value.
pub(crate) enum ComputeResult {
    /// A value to store and to share.
    Store(Payload),
    /// A value that is not stored, and only shared in this process if that is possible. `lasts` if the next value is likely
    /// to be the same.
    Unstored { payload: Option<Payload>, lasts: bool },
    /// No value, but the work is done.
    Done,
    /// A failure.
    Failed(Failure),
}

impl ComputeResult {
    /// The result in a word or two, for the log.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Store(_) => "a value",
            Self::Unstored { .. } => "a value that is not stored",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }
}

/// The error that the caller gets in place of the body's return value, if any, once the lock was given back. After a
/// failure of the body, an error of the lock is only logged.
pub(crate) fn loss(ended: Result<()>, failed: bool, on_lost: OnLost) -> Option<Error> {
    if !failed {
        return on_lost.into_caller_error(ended);
    }
    if let Err(error) = ended {
        tracing::warn!(target: "dspinlock", %error, "the body failed, and giving the lock back failed as well");
    }
    None
}

impl CacheRequest {
    /// Publishes the result of the leader's computation. The returned payload replaces a failure of the caller's own.
    ///
    /// # Errors
    ///
    /// The loss of the lock, unless `on_lost` ignores it. Then nothing is shared, and another caller leads next.
    pub(crate) async fn finish(self, leader: Leader, computed: ComputeResult) -> Result<Option<Payload>> {
        let Leader { role, guard } = leader;
        match role {
            Role::First(lead) => self.publish(lead, guard, computed).await,
            Role::Ahead(old) => {
                if let ComputeResult::Store(payload) = &computed {
                    self.replace(&guard, &old, payload).await;
                }
                // The replacement has removed the mark, or this does.
                drop(guard);
                Ok(matches!(computed, ComputeResult::Failed(_)).then_some(old.payload))
            }
        }
    }

    async fn publish(&self, lead: Lead, guard: Guard, computed: ComputeResult) -> Result<Option<Payload>> {
        let failed = matches!(computed, ComputeResult::Failed(_));
        tracing::debug!(
            target: "dspinlock", key = %self.spec.key, function = self.spec.function, fence = guard.fencing_token(),
            outcome = computed.as_str(), held = ?guard.held_for(), "computed"
        );
        let (ending, result) = self.plan(&guard, computed);
        // While the lock is still held, its lease is renewed.
        let ending = self.send_ahead(&guard, ending).await;
        let stored = match &ending {
            Ending::Publish { value: Sent::With(value), .. } => Some(value.len()),
            Ending::Publish { value: Sent::Ahead { length, .. }, .. } => Some(*length),
            _ => None,
        };
        if let Some(loss) = loss(guard.end(ending).await, failed, self.on_lost) {
            return Err(loss);
        }
        self.note_value(stored);
        let result = match result {
            FlightResult::Failed(failure) => self.failed(failure).await,
            result => result,
        };
        lead.end(result.clone());
        Ok(match result {
            FlightResult::Value(stored) if failed => Some(stored.payload),
            _ => None,
        })
    }

    /// Decides how the hold ends, and what the callers of this process get.
    fn plan(&self, guard: &Guard, computed: ComputeResult) -> (Ending, FlightResult) {
        match computed {
            ComputeResult::Store(payload) => {
                (self.with_value(guard, &payload), FlightResult::Value(Stored::alone(payload)))
            }
            ComputeResult::Unstored { payload: Some(payload), lasts } => {
                let ending = self.without_value(guard, Reach::Process, lasts, false);
                (ending, FlightResult::Value(Stored::alone(payload)))
            }
            ComputeResult::Unstored { payload: None, lasts } => {
                (self.without_value(guard, Reach::Caller, lasts, false), FlightResult::Unshared)
            }
            ComputeResult::Done => (Ending::Release, FlightResult::Done),
            ComputeResult::Failed(failure) => self.with_failure(guard, failure),
        }
    }

    /// The ending of a turn that has a value to store.
    fn with_value(&self, guard: &Guard, payload: &Payload) -> Ending {
        let (unshared, record) = (&self.core.unshared, &self.spec.names.record);
        if guard.handle().is_unlocked() {
            // The next caller takes the lock, and stores its value.
            unshared.can_be_stored(record);
            return Ending::Release;
        }
        let Some((value, life)) = self.seal(guard, payload) else { return Ending::Release };
        // If the server refuses the value, that is remembered later.
        unshared.remove(record);
        Ending::Publish { value, life }
    }

    /// The ending of a turn whose value is not stored.
    fn without_value(&self, guard: &Guard, reach: Reach, lasts: bool, refused: bool) -> Ending {
        if lasts {
            self.will_reach_only(reach, refused);
        }
        let Some(tag) = &guard.grant().tag else { return Ending::Abandon };
        let till = self.server_time_in(lasts.then_some(RETRY));
        let note = Note::not_shared(reach, tag, till, &self.label_line());
        Ending::Fail { note, life: NOTE_LIFE.max(RETRY) }
    }

    /// The ending of a turn that failed. The callers of this process get the failure as the others read it from the note.
    fn with_failure(&self, guard: &Guard, mut failure: Failure) -> (Ending, FlightResult) {
        let Some(tag) = &guard.grant().tag else {
            return (Ending::Abandon, FlightResult::Failed(failure));
        };
        let err_expire = self.caching.err_expire;
        let note = failure.note(tag, self.server_time_in(err_expire), &self.label_line());
        if let Note::Failed(read) = Note::read(&note, &self.spec.names.separator) {
            failure = read;
        }
        let life = NOTE_LIFE.max(err_expire.unwrap_or_default());
        (Ending::Fail { note, life }, FlightResult::Failed(failure))
    }

    /// Sends a value ahead that is too large for the release. If the server does not take it, it is shared in this process,
    /// and the lock is given back all the same.
    async fn send_ahead(&self, guard: &Guard, ending: Ending) -> Ending {
        let Ending::Publish { value: Sent::With(envelope), life } = ending else { return ending };
        match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => Ending::Publish { value, life },
            Err(refusal) => {
                self.core.not_stored(&self.spec, &refusal.why);
                self.without_value(guard, Reach::Process, refusal.lasts, true)
            }
        }
    }

    /// The line of the label in notes; empty if there is no value.
    fn label_line(&self) -> String {
        self.label.as_ref().map(Label::line).unwrap_or_default()
    }

    /// Puts a value into its envelope, and says how long to keep it; `None` if it is not kept.
    fn seal(&self, guard: &Guard, payload: &Payload) -> Option<(Sent, Duration)> {
        let (label, expire) = (self.label.as_ref()?, self.spec.options.expire?);
        let tag = guard.grant().tag.as_ref()?;
        let until = self.server_time_in(Some(expire));
        let envelope = label.seal(tag, &self.spec.names.separator, until, payload);
        Some((Sent::With(envelope.into()), expire + self.caching.stale_if_error.unwrap_or_default()))
    }

    /// Replaces a value that is about to expire.
    async fn replace(&self, guard: &Guard, old: &Stored, payload: &Payload) {
        let (Some(tag), Some(seen), Some((Sent::With(envelope), life))) =
            (&guard.grant().tag, &old.record, self.seal(guard, payload))
        else {
            return;
        };
        let value = match self.core.store.send_ahead(&self.spec.names, envelope).await {
            Ok(value) => value,
            Err(refusal) => return self.core.not_stored(&self.spec, &refusal.why),
        };
        let release = Release {
            names: &self.spec.names,
            tag,
            expire: self.spec.options.expire,
            caller: Some(&self.core.id),
            value: Some((&value, life)),
        };
        match self.core.store.call(&Refresh { release, seen }).await {
            Ok(Released::Refused(why)) => self.core.not_stored(&self.spec, &why),
            Ok(reply) => {
                self.core.overtake(&self.spec.names.record);
                // Not the reply itself: it may show what somebody else has put at the key.
                let replaced = matches!(reply, Released::Done { .. } | Released::AlreadyComputed);
                tracing::debug!(target: "dspinlock", key = %self.spec.key, replaced, "computed the next value ahead of expiry");
            }
            Err(error) => {
                tracing::warn!(target: "dspinlock", %error, "could not publish the value that was refreshed ahead of its expiry");
            }
        }
    }
}
