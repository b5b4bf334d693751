//! The bare commands that any lock has to send, prepared beforehand.

use super::callers::{Blocking, Doing, Tasked};
use crate::Fallible;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Connection, Value};
use std::time::Duration;

/// The scripts of `dspinlock`, so that the server does the same work.
const ACQUIRE: &str = include_str!("../../../../dspinlock-core/src/store/redis/scripts/acquire.lua");
const RELEASE: &str = include_str!("../../../../dspinlock-core/src/store/redis/scripts/release.lua");

const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// As long as a real tag. Each caller has its own.
fn tag(timestamp: &str) -> String {
    format!("{}@host/1234{timestamp}", uuid())
}

/// A text with the form of a UUID that is unique to a caller.
fn uuid() -> String {
    use std::hash::{BuildHasher, RandomState};
    let (high, low) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let digits = format!("{high:016x}{low:016x}");
    let part = |range: std::ops::Range<usize>| &digits[range];
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// The two commands of one caller on one key.
pub(crate) struct BareCommands {
    acquire: Cmd,
    release: Cmd,
    /// The scripts to load first.
    scripts: Vec<&'static str>,
    /// The reply to a release: how many processes have waited, or how many records were removed.
    released: i64,
    /// How long to sleep while another caller holds the key.
    sleep: Duration,
}

impl BareCommands {
    /// The scripts of `dspinlock`.
    pub(crate) fn scripts(key: &str, lease_ms: u64, sleep: Duration) -> Self {
        let record = format!("dspinlock,bare,{key}");
        let (fence, wait) = (format!("dspinlock:fence:{{{record}}}"), format!("{{{record}}}:wait"));
        let tag = tag(",2026-01-31T23:59:59.000123+00:00,");
        let mut acquire = call(ACQUIRE, &[&record, &fence]);
        // Never too late.
        acquire.arg(format!("{tag}0")).arg(lease_ms).arg("9000000000000000");
        let mut release = call(RELEASE, &[&record, &wait]);
        release.arg(&tag).arg("host/1234");
        Self { acquire, release, scripts: vec![ACQUIRE, RELEASE], released: 0, sleep }
    }

    /// `SET NX PX`, and a script that compares and deletes.
    pub(crate) fn textbook(key: &str, lease_ms: u64, sleep: Duration) -> Self {
        let (key, tag) = (format!("bare-set-nx:{key}"), tag(""));
        let mut acquire = redis::cmd("SET");
        acquire.arg(&key).arg(&tag).arg("NX").arg("PX").arg(lease_ms);
        let mut release = call(COMPARE_AND_DELETE, &[&key]);
        release.arg(&tag);
        Self { acquire, release, scripts: vec![COMPARE_AND_DELETE], released: 1, sleep }
    }

    /// `OK`, or the token; nothing, or the record that holds the key.
    fn is_granted(reply: &Value) -> Fallible<bool> {
        match reply {
            Value::Okay | Value::BulkString(_) => Ok(true),
            Value::Nil | Value::Array(_) => Ok(false),
            _ => Err(format!("the bare acquire was answered with {reply:?}").into()),
        }
    }

    fn check_released(&self, reply: &Value) -> Fallible<()> {
        match reply {
            Value::Int(number) if *number == self.released => Ok(()),
            _ => Err(format!("the bare release was answered with {reply:?}").into()),
        }
    }
}

fn call(script: &str, keys: &[&str]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(redis::Script::new(script).get_hash()).arg(keys.len());
    for key in keys {
        command.arg(*key);
    }
    command
}

/// On a connection of its own.
pub(crate) struct BlockingBare {
    connection: Connection,
    commands: BareCommands,
}

impl BlockingBare {
    pub(crate) fn new(client: &Client, commands: BareCommands) -> Fallible<Self> {
        let mut connection = client.get_connection()?;
        for script in &commands.scripts {
            redis::cmd("SCRIPT").arg("LOAD").arg(script).exec(&mut connection)?;
        }
        Ok(Self { connection, commands })
    }

    /// One round trip, with the work of a release that finds nothing.
    pub(crate) fn round_trip(&mut self) -> Fallible<()> {
        let _: Value = self.commands.release.query(&mut self.connection)?;
        Ok(())
    }
}

impl Blocking for BlockingBare {
    fn acquire(&mut self) -> Fallible<()> {
        loop {
            let reply = self.commands.acquire.query(&mut self.connection)?;
            if BareCommands::is_granted(&reply)? {
                return Ok(());
            }
            std::thread::sleep(self.commands.sleep);
        }
    }

    fn release(&mut self) -> Fallible<()> {
        let reply = self.commands.release.query(&mut self.connection)?;
        self.commands.check_released(&reply)
    }
}

/// On a connection that it shares.
pub(crate) struct AsyncBare {
    connection: MultiplexedConnection,
    commands: BareCommands,
    loaded: bool,
}

impl AsyncBare {
    pub(crate) fn new(connection: MultiplexedConnection, commands: BareCommands) -> Self {
        Self { connection, commands, loaded: false }
    }

    /// One attempt.
    pub(crate) async fn try_acquire(&mut self) -> Fallible<bool> {
        if !self.loaded {
            for script in &self.commands.scripts {
                redis::cmd("SCRIPT").arg("LOAD").arg(script).exec_async(&mut self.connection).await?;
            }
            self.loaded = true;
        }
        let reply = self.commands.acquire.query_async(&mut self.connection).await?;
        BareCommands::is_granted(&reply)
    }
}

impl Tasked for AsyncBare {
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
            self.commands.check_released(&reply)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands are written out here; they have to follow the scripts.
    #[test]
    fn the_scripts_take_the_bare_commands() {
        let server = dspinlock_testkit::Server::start();
        let client = Client::open(server.url()).unwrap();
        for commands in [BareCommands::scripts, BareCommands::textbook] {
            let bare = || BlockingBare::new(&client, commands("key", 10_000, Duration::ZERO)).unwrap();
            let (mut one, mut two) = (bare(), bare());
            one.acquire().unwrap();
            let refused = two.commands.acquire.query(&mut two.connection).unwrap();
            assert!(!BareCommands::is_granted(&refused).unwrap());
            one.release().unwrap();
            two.acquire().unwrap();
            two.release().unwrap();
        }
    }
}
