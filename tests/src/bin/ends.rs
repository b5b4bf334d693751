//! A process that ends while it holds locks. Its first argument says how, the others are the keys. It prints how long the
//! drop took.

use dspinlock::{Client, DSpinlock, Error, Guard, dspinlock};
use std::cell::RefCell;
use std::error::Error as StdError;
use std::future::pending;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

type Outcome = Result<(), Box<dyn StdError>>;

thread_local! {
    static KEPT: RefCell<Vec<Guard>> = const { RefCell::new(Vec::new()) };
}

/// Made before the guards, and so dropped after them.
struct Clock(Option<Instant>);

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some(start) = self.0 {
            println!("{}", start.elapsed().as_micros());
        }
    }
}

fn lock(client: &Client, key: &str) -> DSpinlock {
    client.lock(key).lease(Duration::from_secs(600))
}

fn hold(client: &Client, keys: &[String]) -> Result<Vec<Guard>, Error> {
    keys.iter().map(|key| lock(client, key).acquire_blocking()).collect()
}

async fn hold_async(client: &Client, keys: &[String]) -> Result<Vec<Guard>, Error> {
    let mut guards = Vec::new();
    for key in keys {
        guards.push(lock(client, key).acquire().await?);
    }
    Ok(guards)
}

#[dspinlock(key = key, namespace = "", client = client, lease = "10min")]
fn annotated(client: &Client, key: &str, panics: bool) -> Outcome {
    assert!(!panics, "on purpose");
    Err("as the program wants it".into())
}

#[dspinlock(key = key, namespace = "", client = client, lease = "10min")]
async fn annotated_async(client: &Client, key: &str) -> Outcome {
    tokio::task::yield_now().await;
    Err("as the program wants it".into())
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = if workers == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(workers.max(1)).enable_all().build().expect("a runtime")
}

fn main() -> Outcome {
    dspinlock::logging::init();
    // A backtrace takes longer than what is measured.
    std::panic::set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (way, keys) = arguments.split_first().ok_or("in which way?")?;
    let client = Client::from_env()?;
    let mut clock = Clock(None);
    match way.as_str() {
        "return" => {
            let _guards = hold(&client, keys)?;
            clock.0 = Some(Instant::now());
            Err("early".into())
        }
        "panic" => {
            let _guards = hold(&client, keys)?;
            clock.0 = Some(Instant::now());
            panic!("on purpose");
        }
        "thread" => {
            let guards = hold(&client, keys)?;
            clock.0 = Some(Instant::now());
            std::thread::spawn(move || drop(guards)).join().map_err(|_| "no panic")?;
            Ok(())
        }
        "thread local" => {
            // The thread ends after everything that could read a clock.
            KEPT.set(hold(&client, keys)?);
            Ok(())
        }
        "annotated" => keys.iter().try_for_each(|key| annotated(&client, key, false)),
        "annotated panic" => {
            clock.0 = Some(Instant::now());
            keys.iter().try_for_each(|key| annotated(&client, key, true))
        }
        "after a runtime" => {
            let runtime = runtime(0);
            let _guards = runtime.block_on(hold_async(&client, keys))?;
            clock.0 = Some(Instant::now());
            Err("early".into())
        }
        "annotated in a runtime" => runtime(0).block_on(async {
            for key in keys {
                annotated_async(&client, key).await?;
            }
            Ok(())
        }),
        "in a runtime" | "in a runtime of threads" => runtime(if way == "in a runtime" { 0 } else { 2 })
            .block_on(async {
                let _guards = hold_async(&client, keys).await?;
                Err("early".into())
            }),
        "panic in a runtime" => runtime(0).block_on(async {
            let _guards = hold_async(&client, keys).await?;
            panic!("on purpose");
        }),
        "cancelled release" => runtime(0).block_on(async {
            for guard in hold_async(&client, keys).await? {
                let mut release = std::pin::pin!(guard.abandon());
                // Polled once, then dropped.
                std::future::poll_fn(|context| {
                    let _ = release.as_mut().poll(context);
                    std::task::Poll::Ready(())
                })
                .await;
            }
            Ok(())
        }),
        "tasks of a runtime" => {
            let (runtime, keys) = (runtime(2), keys.to_vec());
            let (held, is_held) = tokio::sync::oneshot::channel();
            runtime.spawn(async move {
                let guards = hold_async(&client, &keys).await;
                let _ = held.send(guards.is_ok());
                pending::<()>().await;
            });
            if runtime.block_on(is_held)? { Err("early".into()) } else { Err("not held".into()) }
        }
        other => Err(format!("there is no way {other:?}").into()),
    }
}
