//! Callers of any library: they take a lock and give it back, blocking or async.

use super::Settings;
use super::peers::{AsyncDspinlock, BlockingDspinlock, BlockingRedlock, Rslock};
use super::plain::{AsyncPlain, BlockingPlain, PlainCommands};
use crate::Fallible;
use crate::contestants::Engine;
use std::pin::Pin;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A caller with a thread of its own.
pub(crate) trait Blocking: Send {
    fn acquire(&mut self) -> Fallible<()>;
    fn release(&mut self) -> Fallible<()>;
}

pub(crate) type Doing<'a> = Pin<Box<dyn Future<Output = Fallible<()>> + Send + 'a>>;

/// A caller in a task.
pub(crate) trait Tasked: Send {
    fn acquire(&mut self) -> Doing<'_>;
    fn release(&mut self) -> Doing<'_>;
}

/// One caller on a thread for each of these keys.
pub(crate) fn blocking(settings: &Settings, keys: &[String]) -> Fallible<Vec<Box<dyn Blocking>>> {
    let (sleep, url) = (settings.sleep_ms(), settings.url.as_str());
    match settings.engine {
        Engine::Dspinlock => {
            let client = dspinlock::Client::connect(url)?;
            Ok(keys.iter().map(|key| boxed(BlockingDspinlock::new(&client, key, settings))).collect())
        }
        Engine::Plain => {
            let client = redis::Client::open(url)?;
            let caller = |key: &String| Ok(boxed(BlockingPlain::new(&client, commands(settings, key))?));
            keys.iter().map(caller).collect()
        }
        Engine::Redlock => {
            let caller =
                |key: &String| boxed(BlockingRedlock::new(url, key, sleep, settings.get("lease", 10_000)));
            Ok(keys.iter().map(caller).collect())
        }
        other => Err(format!("{} has no blocking door", other.name()).into()),
    }
}

/// One caller in a task for each of these keys, all on one connection.
pub(crate) async fn tasked(settings: &Settings, keys: &[String]) -> Fallible<Vec<Box<dyn Tasked>>> {
    let (sleep, url) = (settings.sleep_ms(), settings.url.as_str());
    match settings.engine {
        Engine::Dspinlock => {
            let client = dspinlock::Client::connect(url)?;
            Ok(keys.iter().map(|key| task(AsyncDspinlock::new(&client, key, settings))).collect())
        }
        Engine::Plain => {
            // The default of 500 ms is too short for a busy machine.
            let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WITHIN));
            let client = redis::Client::open(url)?;
            let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            let caller = |key: &String| task(AsyncPlain::new(connection.clone(), commands(settings, key)));
            Ok(keys.iter().map(caller).collect())
        }
        Engine::Rslock => {
            let manager = Rslock::manager(url, sleep);
            let lease = settings.get("lease", 10_000);
            Ok(keys.iter().map(|key| task(Rslock::new(&manager, key, lease))).collect())
        }
        other => Err(format!("{} has no async door", other.name()).into()),
    }
}

fn boxed(caller: impl Blocking + 'static) -> Box<dyn Blocking> {
    Box::new(caller)
}

fn task(caller: impl Tasked + 'static) -> Box<dyn Tasked> {
    Box::new(caller)
}

fn commands(settings: &Settings, key: &str) -> PlainCommands {
    // They poll as `dspinlock` does without wake-ups.
    let sleep = Duration::from_millis(settings.sleep_ms().unwrap_or(500));
    PlainCommands::new(key, settings.get("lease", 10_000), sleep)
}
