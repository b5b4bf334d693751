//! Decoded values that copies in the process keep, and whose they are.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, ErrorKind, LockKey, dspinlock, testing};
use serde::{Deserialize, Deserializer, Serialize};

use crate::support::AppError;

thread_local! {
    static DECODED: Cell<u32> = const { Cell::new(0) };
    static CLONED: Cell<u32> = const { Cell::new(0) };
    /// What the next clone does.
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

fn counted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    DECODED.set(DECODED.get() + 1);
    u32::deserialize(deserializer)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Solid {
    #[serde(deserialize_with = "counted")]
    n: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Fluid {
    #[serde(deserialize_with = "counted")]
    n: u32,
}

impl Clone for Fluid {
    fn clone(&self) -> Self {
        CLONED.set(CLONED.get() + 1);
        if let Some(act) = ON_CLONE.take() {
            act();
        }
        Self { n: self.n }
    }
}

type Answer<T> = Result<T, AppError>;

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn fluid(client: &Client, n: u32) -> Result<Fluid, AppError> {
    Ok(Fluid { n })
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn fluid_by_alias(client: &Client, n: u32) -> Answer<Fluid> {
    Ok(Fluid { n })
}

#[dspinlock(client = client, key = n, cached(local = "1h"), on_error = |_| None)]
fn fluid_alone(client: &Client, n: u32) -> Option<Fluid> {
    Some(Fluid { n })
}

#[dspinlock(client = client, key = n, cached)]
fn fluid_without_copies(client: &Client, n: u32) -> Result<Fluid, AppError> {
    Ok(Fluid { n })
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn solid(client: &Client, n: u32) -> Answer<Solid> {
    Ok(Solid { n })
}

#[dspinlock(client = client, key = n, cached(local = "1h"), on_error = |_| None)]
fn solid_alone(client: &Client, n: u32) -> Option<Solid> {
    Some(Solid { n })
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
async fn shared(client: &Client, n: u32) -> Answer<Arc<Solid>> {
    Ok(Arc::new(Solid { n }))
}

/// How often ten hits on a copy decode and clone the value.
fn counts<T>(call: impl Fn() -> T) -> (u32, u32) {
    // It computes, asks and keeps a copy.
    drop((call(), call()));
    DECODED.set(0);
    CLONED.set(0);
    (0..10).for_each(|_| drop(call()));
    (DECODED.get(), CLONED.get())
}

#[test]
fn a_value_that_can_be_cloned_is_decoded_once() {
    let client = Client::memory();
    assert_eq!(counts(|| fluid(&client, 1).unwrap()), (0, 10));
    assert_eq!(counts(|| fluid_by_alias(&client, 1).unwrap()), (0, 10));
    assert_eq!(counts(|| fluid_alone(&client, 1).unwrap()), (0, 10));
    assert_eq!(fluid(&client, 1).unwrap(), Fluid { n: 1 });
}

#[test]
fn a_value_that_can_not_be_cloned_is_decoded_at_each_hit() {
    let client = Client::memory();
    assert_eq!(counts(|| solid(&client, 1).unwrap()), (10, 0));
    assert_eq!(counts(|| solid_alone(&client, 1).unwrap()), (10, 0));
    assert_eq!(solid(&client, 1).unwrap(), Solid { n: 1 });
}

#[test]
fn a_value_without_local_copies_is_not_cloned() {
    let client = Client::memory();
    assert_eq!(counts(|| fluid_without_copies(&client, 1).unwrap()), (10, 0));
}

fn at_first_poll<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("there is no copy"),
    }
}

#[tokio::test]
async fn an_async_hit_is_ready_at_once() {
    let client = Client::memory();
    shared(&client, 1).await.unwrap();
    let first = shared(&client, 1).await.unwrap();
    assert!(Arc::ptr_eq(&first, &at_first_poll(shared(&client, 1)).unwrap()));
}

#[test]
fn a_clone_may_panic_and_may_call_the_library() {
    let client = Client::memory();
    (0..2).for_each(|_| drop(fluid(&client, 1)));
    let on_clone = |act: Box<dyn FnOnce()>| ON_CLONE.set(Some(act));
    on_clone(Box::new(|| panic!("no clone")));
    catch_unwind(AssertUnwindSafe(|| fluid(&client, 1))).unwrap_err();
    assert_eq!(counts(|| fluid(&client, 1).unwrap()), (0, 10), "the copy is still there");
    // The first clone of all is made when the copy is.
    fluid(&client, 2).unwrap();
    on_clone(Box::new(|| panic!("no clone")));
    catch_unwind(AssertUnwindSafe(|| fluid(&client, 2))).unwrap_err();
    assert_eq!(fluid(&client, 2).unwrap(), Fluid { n: 2 });
    // It calls the function again, and has the copy dropped that it is made of.
    let again = client.clone();
    on_clone(Box::new(move || {
        fluid(&again, 1).unwrap();
        drop(again.clone().with_local_copies(1_000, 1 << 20));
        fluid(&again, 3).unwrap();
    }));
    assert_eq!(fluid(&client, 1).unwrap(), Fluid { n: 1 });
}

#[derive(Serialize, Deserialize)]
struct Alive {
    #[serde(skip, default = "Life::new")]
    _life: Life,
}

struct Life;

static ALIVE: AtomicUsize = AtomicUsize::new(0);

impl Life {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Clone for Alive {
    fn clone(&self) -> Self {
        Self { _life: Life::new() }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

#[dspinlock(client = client, key = n, namespace = "alive", cached(local = "1h"))]
fn alive(client: &Client, n: u32) -> Answer<Alive> {
    Ok(Alive { _life: Life::new() })
}

#[test]
fn an_evicted_and_an_outdated_copy_are_gone_from_memory() {
    let client = Client::memory().with_local_copies(64, 1 << 30);
    for n in 0..300 {
        (0..3).for_each(|_| drop(alive(&client, n).unwrap()));
    }
    assert!((8..=64).contains(&ALIVE.load(Ordering::SeqCst)), "{ALIVE:?} copies");
    for n in 0..300 {
        client.lock(n).namespace("alive").forget_blocking().unwrap();
    }
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    (0..3).for_each(|_| drop(alive(&client, 1).unwrap()));
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    // New bounds drop all copies.
    drop(client.with_local_copies(64, 1 << 30));
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn instance<T, const N: i8>(client: &Client, n: u32, said: &str) -> Answer<String> {
    Ok(format!("{} {N} {n} {said}", std::any::type_name::<T>()))
}

struct Table<T>(T);

impl<T: LockKey> Table<T> {
    #[dspinlock(client = client, key = (), cached(local = "1h"))]
    fn of_any(client: &Client) -> Answer<String> {
        Ok(std::any::type_name::<T>().to_owned())
    }

    #[dspinlock(client = client, key = self.0, namespace = namespace, cached(local = "1h"))]
    fn named(&self, client: &Client, namespace: &str) -> Answer<String> {
        Ok(namespace.to_owned())
    }
}

#[test]
fn a_copy_is_for_one_instance_one_client_and_one_namespace() {
    let (client, other) = (Client::memory(), Client::memory());
    let staging = client.clone().with_prefix("staging");
    for _ in 0..3 {
        assert_eq!(instance::<u8, 1>(&client, 5, "a").unwrap(), "u8 1 5 a");
        assert_eq!(instance::<u8, -1>(&client, 5, "a").unwrap(), "u8 -1 5 a");
        assert_eq!(instance::<u8, 11>(&client, 5, "a").unwrap(), "u8 11 5 a");
        assert_eq!(instance::<u16, 1>(&client, 5, "a").unwrap(), "u16 1 5 a");
        assert_eq!(instance::<u8, 1>(&client, 6, "a").unwrap(), "u8 1 6 a");
        assert_eq!(instance::<u8, 1>(&other, 5, "b").unwrap(), "u8 1 5 b");
        assert_eq!(instance::<u8, 1>(&staging, 5, "c").unwrap(), "u8 1 5 c");
        assert_eq!(Table::<u8>::of_any(&client).unwrap(), "u8");
        assert_eq!(Table::<u16>::of_any(&client).unwrap(), "u16");
        for namespace in ["a", "b", ""] {
            assert_eq!(Table("k").named(&client, namespace).unwrap(), namespace);
        }
    }
    drop(staging);
    // Its scheme may be where that of another client was.
    for prefix in ["eu", "us", "asia"] {
        let client = client.clone().with_prefix(prefix);
        for _ in 0..3 {
            assert_eq!(instance::<u8, 1>(&client, 5, prefix).unwrap(), format!("u8 1 5 {prefix}"));
        }
    }
}

/// The name of the form is the same, so the values are: each type reads the stored bytes as its own.
#[dspinlock(client = client, key = (), namespace = "any", cached(local = "1h", schema = "number"))]
fn any<T: Serialize + serde::de::DeserializeOwned + From<u8> + Clone + Send + Sync + 'static>(
    client: &Client,
    n: u8,
) -> Answer<T> {
    Ok(n.into())
}

#[test]
fn a_copy_of_another_type_is_decoded() {
    let client = Client::memory();
    for _ in 0..3 {
        assert_eq!(any::<u16>(&client, 7).unwrap(), 7);
        assert_eq!(any::<i64>(&client, 8).unwrap(), 7);
    }
}

#[dspinlock(client = client, key = name, cached(local = "1h"))]
fn borrowed<'a>(client: &Client, name: &'a str) -> Answer<Cow<'a, str>> {
    Ok(Cow::Borrowed(name))
}

#[dspinlock(key = name, cached(local = "1h"))]
fn borrowed_by_elision(name: &str) -> Answer<Cow<'_, str>> {
    Ok(Cow::Borrowed(name))
}

#[test]
fn a_value_with_a_lifetime_has_copies_too() {
    let client = Client::memory();
    for _ in 0..3 {
        assert_eq!(borrowed(&client, &String::from("a")).unwrap(), "a");
        let elided = testing::scope(&client, || borrowed_by_elision("a").unwrap());
        assert_eq!(elided, "a");
    }
}

fn noted<T>(notes: &AtomicU32, value: T) -> T {
    notes.fetch_add(1, Ordering::SeqCst);
    value
}

#[dspinlock(
    client = noted::<&Client>(keys, client),
    key = noted(keys, n),
    expire = noted(others, Duration::from_secs(60)),
    cached(local = noted(others, Duration::from_secs(60))),
)]
fn noted_call(client: &Client, n: u32, keys: &AtomicU32, others: &AtomicU32) -> Answer<u32> {
    Ok(n)
}

#[test]
fn a_hit_evaluates_each_argument_that_identifies_the_value_once_and_no_other() {
    let (client, keys, others) = (Client::memory(), AtomicU32::new(0), AtomicU32::new(0));
    for (call, (seen_keys, seen_others)) in [(2, 2), (4, 4), (6, 4), (8, 4)].into_iter().enumerate() {
        noted_call(&client, 1, &keys, &others).unwrap();
        let seen = (keys.load(Ordering::SeqCst), others.load(Ordering::SeqCst));
        assert_eq!(seen, (seen_keys, seen_others), "call {call}");
    }
}

#[test]
fn a_client_that_was_shut_down_serves_no_copies() {
    let client = Client::memory();
    for _ in 0..3 {
        fluid(&client, 1).unwrap();
    }
    client.shutdown_blocking(Duration::ZERO).unwrap();
    let Err(AppError::Lock(error)) = fluid(&client, 1) else { panic!("served") };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[dspinlock(client = client, key = (), namespace = "version", cached(local = "1h"))]
fn version(client: &Client, now: &AtomicU32) -> Answer<Version> {
    Ok(Version(now.load(Ordering::SeqCst)))
}

#[derive(Serialize, Deserialize)]
struct Version(u32);

impl Clone for Version {
    fn clone(&self) -> Self {
        // A hit that is under way still has its copy when others begin.
        thread::yield_now();
        Self(self.0)
    }
}

#[test]
fn no_call_that_begins_after_a_change_is_served_an_older_copy() {
    let client = Client::memory();
    let (now, forgotten, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let at_least = forgotten.load(Ordering::SeqCst);
                    let Version(seen) = version(&client, &now).unwrap();
                    assert!(seen >= at_least, "{seen} after {at_least} was forgotten");
                }
            });
        }
        for round in 1..=500 {
            for _ in 0..3 {
                version(&client, &now).unwrap();
            }
            now.store(round, Ordering::SeqCst);
            client.lock(()).namespace("version").forget_blocking().unwrap();
            forgotten.store(round, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
}
