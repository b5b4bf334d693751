//! One store and one API: what a test case runs on, so that no case is written four times.

use crate::block_on;
use dspinlock::{Client, DSpinlock, Entry, Guard, Inspection, Result};
use dspinlock_testkit::Server;
use std::sync::LazyLock;

/// Shared by the cases of one test binary, which use different keys. It ends with the process.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Which form of each method a case calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// The methods that block the calling thread.
    Blocking,
    /// The futures, polled by an executor that belongs to no runtime.
    Async,
}

/// A store and an API.
#[derive(Clone, Debug)]
pub struct Rig {
    /// The client on the store.
    pub client: Client,
    /// The form of the methods.
    pub api: Api,
}

impl Rig {
    /// An embedded store of its own.
    pub fn memory(api: Api) -> Self {
        Self { client: Client::memory(), api }
    }

    /// The server of this test binary.
    ///
    /// # Panics
    /// If there is no server to start.
    pub fn redis(api: Api) -> Self {
        let client = Client::from_url(&SERVER.url()).expect("a client of a local server");
        Self { client, api }
    }

    /// The server behind this rig, if it has one.
    pub fn server(&self) -> Option<&'static Server> {
        (!self.client.is_memory()).then(|| &*SERVER)
    }

    /// A lock of the key `name`, which differs between the two APIs.
    pub fn lock(&self, name: &str) -> DSpinlock {
        self.client.lock(self.key(name))
    }

    /// The key behind `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{name} by {:?}", self.api)
    }

    /// [`DSpinlock::acquire`].
    pub fn acquire(&self, lock: &DSpinlock) -> Result<Guard> {
        match self.api {
            Api::Blocking => lock.acquire_blocking(),
            Api::Async => block_on(lock.acquire()),
        }
    }

    /// [`DSpinlock::try_acquire`].
    pub fn try_acquire(&self, lock: &DSpinlock) -> Result<Option<Guard>> {
        match self.api {
            Api::Blocking => lock.try_acquire_blocking(),
            Api::Async => block_on(lock.try_acquire()),
        }
    }

    /// [`DSpinlock::enter`].
    pub fn enter(&self, lock: &DSpinlock) -> Result<Entry> {
        match self.api {
            Api::Blocking => lock.enter_blocking(),
            Api::Async => block_on(lock.enter()),
        }
    }

    /// [`DSpinlock::inspect`].
    pub fn inspect(&self, lock: &DSpinlock) -> Result<Option<Inspection>> {
        match self.api {
            Api::Blocking => lock.inspect_blocking(),
            Api::Async => block_on(lock.inspect()),
        }
    }

    /// [`DSpinlock::forget`].
    pub fn forget(&self, lock: &DSpinlock) -> Result<bool> {
        match self.api {
            Api::Blocking => lock.forget_blocking(),
            Api::Async => block_on(lock.forget()),
        }
    }

    /// [`Guard::release`].
    pub fn release(&self, guard: Guard) -> Result<()> {
        match self.api {
            Api::Blocking => guard.release_blocking(),
            Api::Async => block_on(guard.release()),
        }
    }

    /// [`Guard::abandon`].
    pub fn abandon(&self, guard: Guard) -> Result<()> {
        match self.api {
            Api::Blocking => guard.abandon_blocking(),
            Api::Async => block_on(guard.abandon()),
        }
    }

    /// [`Client::ping`].
    pub fn ping(&self) -> Result<()> {
        match self.api {
            Api::Blocking => self.client.ping_blocking(),
            Api::Async => block_on(self.client.ping()),
        }
    }
}

/// Makes a test of each case on each of the four rigs.
#[macro_export]
macro_rules! on_every_rig {
    ($($case:ident),* $(,)?) => {
        mod memory_blocking {
            $(#[test] fn $case() { super::$case(&$crate::Rig::memory($crate::Api::Blocking)); })*
        }
        mod memory_async {
            $(#[test] fn $case() { super::$case(&$crate::Rig::memory($crate::Api::Async)); })*
        }
        mod redis_blocking {
            $(#[test] fn $case() { super::$case(&$crate::Rig::redis($crate::Api::Blocking)); })*
        }
        mod redis_async {
            $(#[test] fn $case() { super::$case(&$crate::Rig::redis($crate::Api::Async)); })*
        }
    };
}
