//! The plain commands of a lock: `SET NX PX`, and a script that compares and deletes, prepared beforehand.

use super::callers::{Blocking, Doing, Tasked};
use crate::Fallible;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Connection, Value};
use std::time::Duration;

const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// A text that is unique to a caller.
fn tag() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

/// The two commands of one caller on one key.
pub(crate) struct PlainCommands {
    acquire: Cmd,
    release: Cmd,
    /// How long to sleep while another caller holds the key.
    sleep: Duration,
}

impl PlainCommands {
    pub(crate) fn new(key: &str, lease_ms: u64, sleep: Duration) -> Self {
        let (key, tag) = (format!("plain:{key}"), tag());
        let mut acquire = redis::cmd("SET");
        acquire.arg(&key).arg(&tag).arg("NX").arg("PX").arg(lease_ms);
        let mut release = redis::cmd("EVALSHA");
        release.arg(redis::Script::new(COMPARE_AND_DELETE).get_hash()).arg(1).arg(&key).arg(&tag);
        Self { acquire, release, sleep }
    }

    /// Loads the script.
    fn load() -> Cmd {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(COMPARE_AND_DELETE);
        load
    }
}

fn is_granted(reply: &Value) -> Fallible<bool> {
    match reply {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(format!("SET was answered with {reply:?}").into()),
    }
}

fn check_released(reply: &Value) -> Fallible<()> {
    if *reply == Value::Int(1) {
        Ok(())
    } else {
        Err(format!("the release was answered with {reply:?}").into())
    }
}

/// On a connection of its own.
pub(crate) struct BlockingPlain {
    connection: Connection,
    commands: PlainCommands,
}

impl BlockingPlain {
    pub(crate) fn new(client: &Client, commands: PlainCommands) -> Fallible<Self> {
        let mut connection = client.get_connection()?;
        PlainCommands::load().exec(&mut connection)?;
        Ok(Self { connection, commands })
    }

    /// One round trip, with the work of a release that finds nothing.
    pub(crate) fn round_trip(&mut self) -> Fallible<()> {
        let _: Value = self.commands.release.query(&mut self.connection)?;
        Ok(())
    }
}

impl Blocking for BlockingPlain {
    fn acquire(&mut self) -> Fallible<()> {
        loop {
            let reply = self.commands.acquire.query(&mut self.connection)?;
            if is_granted(&reply)? {
                return Ok(());
            }
            std::thread::sleep(self.commands.sleep);
        }
    }

    fn release(&mut self) -> Fallible<()> {
        let reply = self.commands.release.query(&mut self.connection)?;
        check_released(&reply)
    }
}

/// On a connection that it shares.
pub(crate) struct AsyncPlain {
    connection: MultiplexedConnection,
    commands: PlainCommands,
    loaded: bool,
}

impl AsyncPlain {
    pub(crate) fn new(connection: MultiplexedConnection, commands: PlainCommands) -> Self {
        Self { connection, commands, loaded: false }
    }

    /// One attempt.
    pub(crate) async fn try_acquire(&mut self) -> Fallible<bool> {
        if !self.loaded {
            PlainCommands::load().exec_async(&mut self.connection).await?;
            self.loaded = true;
        }
        let reply = self.commands.acquire.query_async(&mut self.connection).await?;
        is_granted(&reply)
    }
}

impl Tasked for AsyncPlain {
    fn acquire(&mut self) -> Doing<'_> {
        Box::pin(async {
            while !self.try_acquire().await? {
                tokio::time::sleep(self.commands.sleep).await;
            }
            Ok(())
        })
    }

    fn release(&mut self) -> Doing<'_> {
        Box::pin(async {
            let reply = self.commands.release.query_async(&mut self.connection).await?;
            check_released(&reply)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds() {
        let server = dspinlock_testkit::Server::start();
        let client = Client::open(server.url()).unwrap();
        let plain =
            || BlockingPlain::new(&client, PlainCommands::new("key", 10_000, Duration::ZERO)).unwrap();
        let (mut one, mut two) = (plain(), plain());
        one.acquire().unwrap();
        assert!(!is_granted(&two.commands.acquire.query(&mut two.connection).unwrap()).unwrap());
        assert!(two.release().is_err());
        one.release().unwrap();
        two.acquire().unwrap();
        two.release().unwrap();
    }
}
