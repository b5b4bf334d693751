//! Wake-ups: notifications that a key has changed, which end a waiter's sleep early.
//!
//! A wake-up says "look again" and nothing more. It may be spurious, or lost with its connection; the timers of the waiters
//! cover that.

use crate::clock::Tick;
use crate::format::envelope::Payload;
use crate::options::CallId;
use crate::store::copies::{Copies, LocalCopy};
use crate::sync::lock;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// The listeners of this process, and its local copies of values.
#[derive(Clone, Default)]
pub(crate) struct Wakeups(Arc<Shared>);

#[derive(Default)]
struct Shared {
    keys: Mutex<Keys>,
    copies: Copies,
    /// When the last of the copies expires.
    copies_end: Mutex<Option<Tick>>,
}

type Keys = HashMap<String, watch::Sender<()>>;

impl Wakeups {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        lock(&self.0.keys)
    }

    /// Listens for changes of `key` from now on.
    pub(crate) fn listen(&self, key: &str) -> Listener {
        let mut keys = self.keys();
        let change = if let Some(sender) = keys.get(key) {
            sender.subscribe()
        } else {
            let (sender, change) = watch::channel(());
            keys.insert(key.to_owned(), sender);
            change
        };
        Listener { wakeups: self.clone(), key: key.to_owned(), change }
    }

    /// Wakes the listeners of `key`, and drops the copies of its value.
    pub(crate) fn wake(&self, key: &str) {
        let keys = self.keys();
        if let Some(sender) = keys.get(key) {
            sender.send_replace(());
        }
        let dropped = self.0.copies.take(key);
        drop(keys);
        // After the lock: the value may run code of the user's as it goes.
        drop(dropped);
    }

    /// Wakes the listeners of the keys that `concerns` names, and drops all copies: these keys have another server from now on,
    /// and what happened meanwhile was not notified.
    #[cfg(feature = "redis")]
    pub(crate) fn wake_where(&self, concerns: impl Fn(&str) -> bool) {
        let keys = self.keys();
        for (_, sender) in keys.iter().filter(|(key, _)| concerns(key)) {
            sender.send_replace(());
        }
        let dropped = self.0.copies.take_all();
        drop(keys);
        drop(dropped);
    }

    /// Wakes all listeners: after the loss of a connection or a flush, any key may have changed; and a client that shuts down has
    /// no more waiters.
    pub(crate) fn wake_all(&self) {
        let keys = self.keys();
        for sender in keys.values() {
            sender.send_replace(());
        }
        let dropped = self.0.copies.take_all();
        *self.copies_end() = None;
        drop(keys);
        drop(dropped);
    }

    fn copies_end(&self) -> MutexGuard<'_, Option<Tick>> {
        lock(&self.0.copies_end)
    }

    /// The copy of the value for this call.
    pub(crate) fn copy(&self, call: &[u8]) -> Option<Arc<LocalCopy>> {
        self.0.copies.get(call)
    }

    /// Keeps a copy of a value for a call, unless its key has changed since the listener [attended](Listener::attend): the value
    /// may be older than that change, whose wake-up found no copy to drop.
    pub(crate) fn keep_copy(&self, listener: &Listener, call: &CallId, copy: LocalCopy) {
        debug_assert_eq!(listener.key, copy.record, "a change of the record drops the copy");
        // Before the lock: a function of the user's may weigh.
        let weight = self.0.copies.weight(call, &copy.record, &copy.payload);
        let no_change_meanwhile = self.keys();
        if listener.change.has_changed().unwrap_or(true) {
            return;
        }
        let mut end = self.copies_end();
        *end = Some(end.map_or(copy.until(), |end| end.max(copy.until())));
        drop(end);
        let dropped = self.0.copies.keep(call, Arc::new(copy), weight);
        drop(no_change_meanwhile);
        drop(dropped);
    }

    /// Weighs the copy with this payload again, after it was decoded.
    pub(crate) fn weigh_copy(&self, call: &CallId, record: &str, payload: &Payload) {
        // Before the lock: a function of the user's may weigh.
        let weight = self.0.copies.weight(call, record, payload);
        // Otherwise a change meanwhile could drop the copy, and this put it back.
        let no_change_meanwhile = self.keys();
        let dropped = self.0.copies.weigh(call, payload, weight);
        drop(no_change_meanwhile);
        drop(dropped);
    }

    pub(crate) fn copies(&self) -> &Copies {
        &self.0.copies
    }

    /// Whether nobody relies on wake-ups: there is no listener, and no copy.
    #[cfg(any(feature = "redis", test))]
    pub(crate) fn is_idle(&self, now: Tick) -> bool {
        self.keys().is_empty() && self.copies_end().is_none_or(|end| end <= now)
    }
}

impl fmt::Debug for Wakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakeups").field("keys", &self.keys().len()).finish()
    }
}

/// A listener for changes of one key.
#[derive(Debug)]
pub(crate) struct Listener {
    wakeups: Wakeups,
    key: String,
    change: watch::Receiver<()>,
}

impl Listener {
    /// Forgets earlier changes, which the next request will show.
    pub(crate) fn attend(&mut self) {
        self.change.mark_unchanged();
    }

    /// Waits for a change since [`attend`](Self::attend).
    pub(crate) async fn changed(&mut self) {
        if self.change.changed().await.is_err() {
            // The sender lives as long as its listeners.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut keys = self.wakeups.keys();
        // The receiver of this listener still counts.
        if keys.get(&self.key).is_some_and(|sender| sender.receiver_count() <= 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::scheme::{Scheme, StandardScheme};
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    /// Keeps a copy for the call `call`.
    fn keep(wakeups: &Wakeups, listener: &Listener, until: Tick) {
        let scheme: Arc<dyn Scheme> = Arc::new(StandardScheme::default());
        let copy = LocalCopy::new(&listener.key, &scheme, &Payload::new(vec![1]), until);
        wakeups.keep_copy(listener, &(*b"call").into(), copy);
    }

    fn is_woken(listener: &mut Listener) -> bool {
        pin!(listener.changed()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_change_wakes_all_listeners_of_the_key_and_no_others() {
        let wakeups = Wakeups::default();
        let (mut a, mut b, mut other) = (wakeups.listen("k"), wakeups.listen("k"), wakeups.listen("other"));
        wakeups.wake("k");
        assert!(is_woken(&mut a) && is_woken(&mut b) && !is_woken(&mut other));
        assert!(!is_woken(&mut a), "a wake-up ends one sleep");
        wakeups.wake_all();
        assert!(is_woken(&mut a) && is_woken(&mut other));
    }

    #[test]
    fn a_change_between_asking_and_sleeping_is_not_lost() {
        let wakeups = Wakeups::default();
        let mut listener = wakeups.listen("k");
        wakeups.wake("k");
        listener.attend();
        assert!(!is_woken(&mut listener));
        wakeups.wake("k");
        assert!(is_woken(&mut listener));
    }

    #[test]
    fn a_copy_that_a_change_has_overtaken_is_not_kept() {
        let (wakeups, now) = (Wakeups::default(), Tick::from_millis(1_000));
        let is_kept = || wakeups.copy(b"call").is_some();
        let mut listener = wakeups.listen("k");
        for (change, kept) in [(None, true), (Some("k"), false), (Some("other"), true)] {
            wakeups.wake("k");
            listener.attend();
            // After the request, before the reply:
            if let Some(changed) = change {
                wakeups.wake(changed);
            }
            keep(&wakeups, &listener, now + Duration::from_secs(1));
            assert_eq!(is_kept(), kept, "{change:?}");
        }
        wakeups.wake_all();
        assert!(!is_kept());
    }

    #[test]
    fn a_dropped_listener_leaves_nothing_behind() {
        let wakeups = Wakeups::default();
        let (a, b) = (wakeups.listen("k"), wakeups.listen("k"));
        let now = Tick::from_millis(1_000);
        drop(a);
        assert!(!wakeups.is_idle(now));
        drop(b);
        assert!(wakeups.is_idle(now));
    }

    #[test]
    fn a_copy_relies_on_wakeups_until_it_expires() {
        let (wakeups, now) = (Wakeups::default(), Tick::from_millis(1_000));
        let (sooner, later) = (now + Duration::from_secs(1), now + Duration::from_secs(2));
        keep(&wakeups, &wakeups.listen("a"), later);
        keep(&wakeups, &wakeups.listen("b"), sooner);
        assert!(!wakeups.is_idle(sooner) && wakeups.is_idle(later));
        wakeups.wake_all();
        assert!(wakeups.is_idle(now));
    }
}
