//! What every store must do, run against each of them, and on Redis by both doors.

use crate::clock::ServerTime;
use crate::format::key::Key;
use crate::format::record::{State, Tag};
use crate::format::scheme::Names;
use crate::format::scheme::StandardScheme;
use crate::store::*;
use bytes::Bytes;
#[cfg(feature = "redis")]
use dspinlock_testkit::Server;
use std::sync::Arc;
use std::time::Duration;

macro_rules! conformance {
    ($($name:ident,)*) => {
        mod memory { $(#[test] fn $name() { super::$name(&super::Rig::memory()); })* }
        #[cfg(feature = "redis")]
        mod redis_blocking { $(#[test] fn $name() { super::$name(&super::Rig::redis(false)); })* }
        #[cfg(feature = "redis")]
        mod redis_async { $(#[test] fn $name() { super::$name(&super::Rig::redis(true)); })* }
    };
}

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
    store: Arc<Store>,
    names: Names,
    by_async: Option<tokio::runtime::Runtime>,
    #[cfg(feature = "redis")]
    server: Option<Server>,
}

impl Rig {
    fn memory() -> Self {
        Self {
            store: Arc::new(Store::memory()),
            names: names("example"),
            by_async: None,
            #[cfg(feature = "redis")]
            server: None,
        }
    }

    #[cfg(feature = "redis")]
    fn redis(by_async: bool) -> Self {
        let server = Server::start();
        let client = crate::Client::connect(&server.url()).unwrap();
        let store = Arc::clone(&client.core().store);
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let by_async = by_async.then(runtime);
        Self { store, names: names("example"), by_async, server: Some(server) }
    }

    fn call<O: Operation>(&self, operation: &O) -> Reply<O> {
        match &self.by_async {
            Some(runtime) => runtime.block_on(self.store.call(operation)).unwrap(),
            None => self.store.call_blocking(operation).unwrap(),
        }
    }

    fn put(&self, value: &[u8], life: Option<Duration>) {
        self.put_at(&self.names.record, value, life);
    }

    fn put_at(&self, key: &str, value: &[u8], life: Option<Duration>) {
        if self.store.put(key, value, life) {
            return;
        }
        #[cfg(feature = "redis")]
        {
            let server = self.server.as_ref().unwrap();
            assert!(server.command(&[b"SET", key.as_bytes(), value]).is_ok());
            if let Some(life) = life {
                server.command(&["PEXPIRE", key, &life.as_millis().to_string()]);
            }
        }
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
        self.call(&Release { names: &self.names, tag, expire, fence_life: 60 * S, caller: "me", value: None })
    }

    fn abandon(&self, tag: &Tag) -> bool {
        self.call(&Abandon { names: &self.names, tag })
    }

    fn raw(&self) -> Option<Vec<u8>> {
        match self.call(&Read(&self.names)) {
            Found::Held { raw, .. } => Some(raw),
            Found::Free => None,
            Found::WrongType(kind) => panic!("a {kind}"),
        }
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

fn tag(id: u8) -> Tag {
    Tag::new(format!("{id:08x}-cafe@host/1,2026-01-31T23:59:59.000123+00:00"), ",")
}

fn python(state: State) -> Vec<u8> {
    format!("0b8e1a4e-6b6e-4a54-8f0c-1f2e3d4c5b6a,2026-01-31T23:59:59.000123+00:00,{}", state.digit())
        .into_bytes()
}

fn acquire<'a>(names: &'a Names, tag: &'a Tag) -> Acquire<'a> {
    Acquire {
        names,
        tag,
        lease: 10 * S,
        fence_life: 60 * S,
        not_after: FAR,
        relock: true,
        replace: None,
        reserve: 0,
        waiting: None,
        fetch: None,
        replicas: None,
    }
}

fn seen(seen: Vec<u8>, life_at_most: Option<Duration>) -> Replace {
    Replace { seen, life_at_most }
}

fn is_granted(reply: &Acquired) -> bool {
    matches!(reply, Acquired::Granted { .. })
}
