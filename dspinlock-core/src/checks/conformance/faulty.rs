//! A third store: memory at the other end of a link that delays requests, and loses requests and replies. As the links to
//! Redis do, it then sends the request once more, and says so.

use super::*;
use crate::error::Result;
use crate::store::backend::{Answer, Backend, Request, Sending};
use crate::worker::Worker;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Delay,
    LostRequest,
    LostReply,
}

#[derive(Debug)]
struct Faulty {
    memory: Memory,
    /// Each request meets the next of them, in turns.
    faults: &'static [Fault],
    /// Whether a reply is also lost if the repeat gives another one.
    in_doubt: bool,
    requests: AtomicUsize,
}

const DELAY: Duration = Duration::from_millis(1);

impl Faulty {
    fn next(&self) -> Fault {
        self.faults[self.requests.fetch_add(1, Ordering::Relaxed) % self.faults.len()]
    }

    fn deliver(&self, request: Request<'_>, fault: Fault) -> Result<Answer> {
        if fault == Fault::LostReply && (self.in_doubt || has_same_reply_again(request)) {
            self.memory.send_blocking(request)?;
        }
        let answer = self.memory.send_blocking(request)?;
        Ok(Answer { repeated: fault != Fault::Delay, ..answer })
    }
}

impl Backend for Faulty {
    fn send<'a>(&'a self, request: Request<'a>, _: bool) -> Sending<'a, Result<Answer>> {
        Sending::Waiting(Box::pin(async move {
            let fault = self.next();
            if fault == Fault::Delay {
                tokio::time::sleep(DELAY).await;
            }
            self.deliver(request, fault)
        }))
    }

    fn send_blocking(&self, request: Request<'_>) -> Result<Answer> {
        let fault = self.next();
        if fault == Fault::Delay {
            std::thread::sleep(DELAY);
        }
        self.deliver(request, fault)
    }

    fn clock(&self, names: &Names) -> Arc<Clock> {
        self.memory.clock(names)
    }

    fn patience(&self) -> Duration {
        S
    }

    fn is_memory(&self) -> bool {
        true
    }
}

/// Whether a repeat has the same reply as the request itself, but for the token of a grant. What was ended is gone.
fn has_same_reply_again(request: Request<'_>) -> bool {
    match request {
        // Tokens that are reserved can be counted.
        Request::Acquire(acquire) => acquire.reserve == 0,
        Request::Renew(_) | Request::Look(_) | Request::Time(_) | Request::Ping => true,
        Request::End(_) | Request::Forget(_) => false,
    }
}

fn with(faults: &'static [Fault], in_doubt: bool, by_async: bool) -> Rig {
    let wakeups = Wakeups::default();
    let memory = Memory::new(wakeups.clone());
    let stranger = memory.clone();
    let backend = Faulty { memory, faults, in_doubt, requests: AtomicUsize::new(0) };
    Rig {
        name: "the faulty store",
        store: Arc::new(Store::new(backend, wakeups)),
        key: "example".to_owned(),
        names: names("example"),
        by_async: by_async.then(runtime),
        here: false,
        put: Box::new(move |key, value, life| stranger.put(key, value, life)),
    }
}

/// For the suite, which expects the reply to a first request.
pub(super) fn rig() -> Rig {
    with(&[Fault::Delay, Fault::LostRequest, Fault::LostReply], false, true)
}

/// For random sequences, which are too long for delays.
pub(super) fn losing_requests() -> Rig {
    with(&[Fault::LostRequest], false, false)
}

#[test]
fn a_lost_reply_leaves_doubt_only_where_there_is_some() {
    let rig = with(&[Fault::LostReply], true, false);
    let (store, names, tag) = (&rig.store, &rig.names, &tag(1));
    let granted = |reply: Acquired| {
        let (reply, repeated) = reply.unwrap_repeated();
        assert!(repeated && is_granted(&reply), "{reply:?}");
    };
    let release = |expire| {
        let release = Release { names, tag, expire, caller: Some("me"), value: None };
        store.call_blocking(&release).unwrap()
    };
    granted(store.call_blocking(&acquire(names, tag)).unwrap());
    let renew = RenewOne { names, tag, life: 20 * S };
    assert_eq!(store.call_blocking(&Renew(vec![renew])).unwrap(), [Some(true)]);
    assert_eq!(release(None), Released::Unknown, "it may be this release that has removed the record");
    granted(store.call_blocking(&acquire(names, tag)).unwrap());
    assert_eq!(release(Some(30 * S)), Released::AlreadyComputed, "which is as good as done");
    assert_eq!(store.call_blocking(&acquire(names, tag)).unwrap().unwrap_repeated(), (Acquired::Spent, true));
}

#[test]
fn a_client_excludes_on_it_whatever_is_lost() {
    let rig = with(&[Fault::LostReply, Fault::Delay, Fault::LostRequest], true, false);
    let store = Arc::into_inner(rig.store).unwrap();
    let client = crate::Client::on(store, Worker::get().unwrap());
    let inside = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..25 {
                    let guard = client.lock("example").acquire_blocking().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    guard.release_blocking().unwrap();
                }
            });
        }
    });
}
