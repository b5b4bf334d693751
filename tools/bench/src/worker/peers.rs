//! `dspinlock` and the other libraries, each used as its manual shows.

use super::Settings;
use super::callers::{Blocking, Doing, Tasked};
use crate::Fallible;
use dspinlock::{Client, DSpinlock, Guard};
use rslock::LockManager;
use std::time::Duration;

/// No caller gives up in a row about waiting.
const WAIT: Duration = Duration::from_secs(50);

/// What a caller of `dspinlock` does each time: it names its key, as the attribute does.
struct Naming {
    client: Client,
    key: String,
    sleep: Option<Duration>,
    lease: Duration,
}

impl Naming {
    fn new(client: &Client, key: &str, settings: &Settings) -> Self {
        Self {
            client: client.clone(),
            key: key.to_owned(),
            sleep: settings.sleep_ms().map(Duration::from_millis),
            lease: Duration::from_millis(settings.get("lease", 10_000)),
        }
    }

    fn lock(&self) -> DSpinlock {
        let lock =
            self.client.lock(self.key.as_str()).namespace("bench").expire(None).wait(WAIT).lease(self.lease);
        match self.sleep {
            Some(sleep) => lock.sleep(sleep),
            None => lock,
        }
    }
}

/// `dspinlock`'s blocking API.
pub(crate) struct BlockingDspinlock {
    naming: Naming,
    guard: Option<Guard>,
}

impl BlockingDspinlock {
    pub(crate) fn new(client: &Client, key: &str, settings: &Settings) -> Self {
        Self { naming: Naming::new(client, key, settings), guard: None }
    }
}

impl Blocking for BlockingDspinlock {
    fn acquire(&mut self) -> Fallible<()> {
        self.guard = Some(self.naming.lock().acquire_blocking()?);
        Ok(())
    }

    fn release(&mut self) -> Fallible<()> {
        Ok(self.guard.take().ok_or("nothing is held")?.release_blocking()?)
    }
}

/// `dspinlock`'s async API.
pub(crate) struct AsyncDspinlock {
    naming: Naming,
    guard: Option<Guard>,
}

impl AsyncDspinlock {
    pub(crate) fn new(client: &Client, key: &str, settings: &Settings) -> Self {
        Self { naming: Naming::new(client, key, settings), guard: None }
    }
}

impl Tasked for AsyncDspinlock {
    fn acquire(&mut self) -> Doing<'_> {
        Box::pin(async {
            self.guard = Some(self.naming.lock().acquire().await?);
            Ok(())
        })
    }

    fn release(&mut self) -> Doing<'_> {
        Box::pin(async { Ok(self.guard.take().ok_or("nothing is held")?.release().await?) })
    }
}

/// `rslock`: async only.
pub(crate) struct Rslock {
    manager: LockManager,
    key: String,
    lease: Duration,
    held: Option<rslock::Lock>,
}

impl Rslock {
    pub(crate) fn manager(url: &str, sleep_ms: Option<u64>) -> LockManager {
        let mut manager = LockManager::new(vec![url]);
        if let Some(sleep) = sleep_ms {
            // It sleeps for a random time below this one.
            manager.set_retry(3, Duration::from_millis(sleep * 2));
        }
        manager
    }

    pub(crate) fn new(manager: &LockManager, key: &str, lease_ms: u64) -> Self {
        let (manager, key) = (manager.clone(), format!("rslock:{key}"));
        Self { manager, key, lease: Duration::from_millis(lease_ms), held: None }
    }
}

impl Tasked for Rslock {
    fn acquire(&mut self) -> Doing<'_> {
        Box::pin(async {
            self.held = Some(self.manager.acquire_no_guard(self.key.as_str(), self.lease).await?);
            Ok(())
        })
    }

    fn release(&mut self) -> Doing<'_> {
        Box::pin(async {
            self.manager.unlock(&self.held.take().ok_or("nothing is held")?).await;
            Ok(())
        })
    }
}

/// `redlock`: blocking only, and a connection for each command.
pub(crate) struct BlockingRedlock {
    manager: &'static redlock::RedLock,
    key: String,
    lease: usize,
    held: Option<redlock::Lock<'static>>,
}

impl BlockingRedlock {
    pub(crate) fn new(url: &str, key: &str, sleep_ms: Option<u64>, lease_ms: u64) -> Self {
        let mut manager = redlock::RedLock::new(vec![url]);
        if let Some(sleep) = sleep_ms {
            manager.set_retry(3, u32::try_from(sleep * 2).unwrap_or(u32::MAX));
        }
        // Its locks borrow their manager; this one lives as long as the process, which is short.
        let manager: &'static redlock::RedLock = Box::leak(Box::new(manager));
        let lease = usize::try_from(lease_ms).unwrap_or(usize::MAX);
        Self { manager, key: format!("redlock:{key}"), lease, held: None }
    }
}

impl Blocking for BlockingRedlock {
    fn acquire(&mut self) -> Fallible<()> {
        while self.held.is_none() {
            self.held = self.manager.lock(self.key.as_bytes(), self.lease)?;
        }
        Ok(())
    }

    fn release(&mut self) -> Fallible<()> {
        self.manager.unlock(&self.held.take().ok_or("nothing is held")?);
        Ok(())
    }
}
