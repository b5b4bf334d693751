//! One store and one door: what a case is run on, so that no case is written four times.

use crate::block_on;
use dspinlock::{Client, DSpinlock, Entry, Guard, Inspection, Result};
use dspinlock_testkit::Server;
use std::sync::LazyLock;

/// Shared by the cases of one test binary, which keep out of each other's way by their keys. The process's end ends it.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Which twin of each method a case goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The methods that block the calling thread.
    Blocking,
    /// The futures, polled by an executor of no runtime.
    Async,
}

/// A store and a door.
#[derive(Clone, Debug)]
pub struct Rig {
    /// The client on the store.
    pub client: Client,
    /// The way in.
    pub door: Door,
}

impl Rig {
    /// An embedded store of its own.
    pub fn memory(door: Door) -> Self {
        Self { client: Client::memory(), door }
    }

    /// The server of this test binary.
    ///
    /// # Panics
    /// If there is no server to start.
    pub fn redis(door: Door) -> Self {
        let client = Client::from_url(&SERVER.url()).expect("a client of a local server");
        Self { client, door }
    }

    /// The server behind this rig, if it has one.
    pub fn server(&self) -> Option<&'static Server> {
        (!self.client.is_memory()).then(|| &*SERVER)
    }

    /// A lock of the key `name`, which is another one for each door.
    pub fn lock(&self, name: &str) -> DSpinlock {
        self.client.lock(self.key(name))
    }

    /// The key behind `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{name} by {:?}", self.door)
    }

    /// [`DSpinlock::acquire`].
    pub fn acquire(&self, lock: &DSpinlock) -> Result<Guard> {
        match self.door {
            Door::Blocking => lock.acquire_blocking(),
            Door::Async => block_on(lock.acquire()),
        }
    }

    /// [`DSpinlock::try_acquire`].
    pub fn try_acquire(&self, lock: &DSpinlock) -> Result<Option<Guard>> {
        match self.door {
            Door::Blocking => lock.try_acquire_blocking(),
            Door::Async => block_on(lock.try_acquire()),
        }
    }

    /// [`DSpinlock::enter`].
    pub fn enter(&self, lock: &DSpinlock) -> Result<Entry> {
        match self.door {
            Door::Blocking => lock.enter_blocking(),
            Door::Async => block_on(lock.enter()),
        }
    }

    /// [`DSpinlock::inspect`].
    pub fn inspect(&self, lock: &DSpinlock) -> Result<Option<Inspection>> {
        match self.door {
            Door::Blocking => lock.inspect_blocking(),
            Door::Async => block_on(lock.inspect()),
        }
    }

    /// [`DSpinlock::forget`].
    pub fn forget(&self, lock: &DSpinlock) -> Result<bool> {
        match self.door {
            Door::Blocking => lock.forget_blocking(),
            Door::Async => block_on(lock.forget()),
        }
    }

    /// [`Guard::release`].
    pub fn release(&self, guard: Guard) -> Result<()> {
        match self.door {
            Door::Blocking => guard.release_blocking(),
            Door::Async => block_on(guard.release()),
        }
    }

    /// [`Guard::abandon`].
    pub fn abandon(&self, guard: Guard) -> Result<()> {
        match self.door {
            Door::Blocking => guard.abandon_blocking(),
            Door::Async => block_on(guard.abandon()),
        }
    }

    /// [`Client::ping`].
    pub fn ping(&self) -> Result<()> {
        match self.door {
            Door::Blocking => self.client.ping_blocking(),
            Door::Async => block_on(self.client.ping()),
        }
    }
}

/// Makes a test of each case on each of the four rigs.
#[macro_export]
macro_rules! on_every_rig {
    ($($case:ident),* $(,)?) => {
        mod memory_blocking {
            $(#[test] fn $case() { super::$case(&$crate::Rig::memory($crate::Door::Blocking)); })*
        }
        mod memory_async {
            $(#[test] fn $case() { super::$case(&$crate::Rig::memory($crate::Door::Async)); })*
        }
        mod redis_blocking {
            $(#[test] fn $case() { super::$case(&$crate::Rig::redis($crate::Door::Blocking)); })*
        }
        mod redis_async {
            $(#[test] fn $case() { super::$case(&$crate::Rig::redis($crate::Door::Async)); })*
        }
    };
}
