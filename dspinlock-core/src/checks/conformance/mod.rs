//! What every store must do: one suite, run against each of them. On Redis and on a cluster it runs by all three doors.
//!
//! To test another store, write a factory of its [`Rig`], and add a line to [`conformance!`].

use crate::clock::ServerTime;
use crate::format::key::Key;
use crate::format::record::{State, Tag};
use crate::format::scheme::{Names, StandardScheme};
use crate::store::backend::Operation;
use crate::store::memory::Memory;
use crate::store::*;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Runs the suite against a store, of which the factory makes a new one for each test.
macro_rules! conformance {
    ($($name:ident,)*) => {
        mod memory { $(#[test] fn $name() { super::$name(&super::super::memory()); })* }
        mod faulty { $(#[test] fn $name() { super::$name(&super::super::faulty::rig()); })* }
        #[cfg(feature = "redis")]
        mod redis {
            mod by_task { $(#[test] fn $name() { super::super::$name(&super::super::super::redis_only::rig_of_a_task()); })* }
            mod by_async { $(#[test] fn $name() { super::super::$name(&super::super::super::redis_only::rig(true)); })* }
            mod blocking { $(#[test] fn $name() { super::super::$name(&super::super::super::redis_only::rig(false)); })* }
        }
        #[cfg(feature = "redis")]
        mod cluster {
            mod by_task { $(#[test] fn $name() { super::super::$name(&super::super::super::cluster_only::rig_of_a_task()); })* }
            mod by_async { $(#[test] fn $name() { super::super::$name(&super::super::super::cluster_only::rig(true)); })* }
            mod blocking { $(#[test] fn $name() { super::super::$name(&super::super::super::cluster_only::rig(false)); })* }
        }
    };
}

#[cfg(feature = "redis")]
mod cluster_only;
mod faulty;
mod locks;
mod machine;
mod model;
#[cfg(feature = "redis")]
mod redis_only;
mod values;

const S: Duration = Duration::from_secs(1);
const FAR: ServerTime = ServerTime(u64::MAX / 4);

/// A store under test, and a stranger who can write to it.
struct Rig {
    name: &'static str,
    store: Arc<Store>,
    /// What is locked. Others have other keys in the same store.
    key: String,
    names: Names,
    /// Set to test the async doors.
    by_async: Option<tokio::runtime::Runtime>,
    /// Whether that is the door of a caller's own task.
    here: bool,
    put: Put,
}

/// Puts text at a key, without expiry if there is no life.
type Put = Box<dyn Fn(&str, &[u8], Option<Duration>) + Send + Sync>;

fn memory() -> Rig {
    let wakeups = Wakeups::default();
    let memory = Memory::new(wakeups.clone());
    let stranger = memory.clone();
    Rig {
        name: "memory",
        store: Arc::new(Store::new(memory, wakeups)),
        key: "example".to_owned(),
        names: names("example"),
        by_async: None,
        here: false,
        put: Box::new(move |key, value, life| stranger.put(key, value, life)),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Rig {
    /// The reply itself: what a repeat makes of it is tested apart.
    fn call<O: Operation>(&self, operation: &O) -> O::Reply {
        let backend = self.store.backend();
        let answer = match &self.by_async {
            Some(runtime) if self.here => runtime.block_on(backend.send_here(operation.request()).wait()),
            Some(runtime) => runtime.block_on(backend.send(operation.request(), false).wait()),
            None => backend.send_blocking(operation.request()),
        };
        O::reply(answer.unwrap().reply).expect("a reply to this request")
    }

    fn put(&self, value: &[u8], life: Option<Duration>) {
        self.put_at(&self.names.record, value, life);
    }

    fn put_at(&self, key: &str, value: &[u8], life: Option<Duration>) {
        (self.put)(key, value, life);
    }

    fn acquire(&self, tag: &Tag) -> Acquired {
        self.call(&acquire(&self.names, tag))
    }

    fn granted(&self, tag: &Tag) -> u64 {
        match self.acquire(tag) {
            Acquired::Granted { fence, .. } => fence,
            other => panic!("not granted: {other:?}"),
        }
    }

    fn release(&self, tag: &Tag, expire: Option<Duration>) -> Released {
        self.call(&Release { names: &self.names, tag, expire, caller: Some("me"), value: None })
    }

    fn abandon(&self, tag: &Tag) -> bool {
        self.call(&Abandon { names: &self.names, tag })
    }

    fn raw(&self) -> Option<Vec<u8>> {
        self.at(&self.names.record).map(|(raw, _)| raw)
    }

    /// The text at a key, and its remaining life.
    fn at(&self, key: &str) -> Option<(Vec<u8>, Option<Duration>)> {
        let mut names = self.names.clone();
        key.clone_into(&mut names.record);
        match self.call(&Read(&names)) {
            Found::Held { raw, remaining } => Some((raw, remaining)),
            Found::Free => None,
            Found::WrongType(kind) => panic!("a {kind}"),
        }
    }

    /// The last token at the fence's key, which never expires.
    fn fence(&self, names: &Names) -> u64 {
        let (raw, remaining) = self.at(&names.fence).expect("a token");
        assert_eq!(remaining, None);
        str::from_utf8(&raw).unwrap().parse().unwrap()
    }

    fn remaining(&self) -> Option<Duration> {
        match self.call(&Read(&self.names)) {
            Found::Held { remaining, .. } => remaining,
            other => panic!("{other:?}"),
        }
    }
}

fn names(key: &str) -> Names {
    Names::derive(&StandardScheme::default(), None, &Key::new(key)).unwrap()
}

/// Two locks in one cluster slot, which share a sequence of tokens.
fn neighbours(slot: &str) -> [Names; 2] {
    #[derive(Debug)]
    struct Tagged(String);

    impl crate::Scheme for Tagged {
        fn key(&self, _: Option<&str>, uid: &str) -> String {
            format!("{{{}}},{uid}", self.0)
        }
    }

    [0_u8, 1].map(|n| Names::derive(&Tagged(slot.to_owned()), None, &Key::new(&n)).unwrap())
}

fn tag(id: u8) -> Tag {
    Tag::new(format!("{id:08x}-cafe@host/1,2026-01-31T23:59:59.000123+00:00"), ",")
}

fn python(state: State) -> Vec<u8> {
    format!("0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,{}", state.digit())
        .into_bytes()
}

pub(crate) fn acquire<'a>(names: &'a Names, tag: &'a Tag) -> Acquire<'a> {
    Acquire {
        names,
        tag,
        lease: 10 * S,
        not_after: FAR,
        clock: None,
        relock: true,
        replace: None,
        reserve: 0,
        waiting: None,
        fetch: None,
        replicas: None,
    }
}

/// A release with a value.
fn publish<'a>(names: &'a Names, tag: &'a Tag, value: &'a Sent, expire: Duration) -> Release<'a> {
    let value = Some((value, expire + 60 * S));
    Release { names, tag, expire: Some(expire), caller: Some("me"), value }
}

/// The bytes of a value, which is small here.
fn bytes(part: Excerpt) -> Vec<u8> {
    assert!(part.whole);
    part.bytes
}

fn seen(seen: Vec<u8>, life_at_most: Option<Duration>) -> Replace {
    Replace { seen, life_at_most }
}

fn is_granted(reply: &Acquired) -> bool {
    matches!(reply, Acquired::Granted { .. })
}
