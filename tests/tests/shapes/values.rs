//! Every kind of value that `cached` shares, and the companions of such functions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use dspinlock::{Client, ErrorKind, LockKey, dspinlock, testing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::{AppError, alone, alone_async};

type AppResult<T, E = AppError> = Result<T, E>;

/// Counts the runs of a body.
#[derive(Default)]
struct Runs(AtomicU32);

impl Runs {
    fn add(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Usage {
    tenant: String,
    run: u32,
}

#[dspinlock(key = tenant, cached(entry = usage_entry), expire = "10m")]
fn usage(tenant: &str, runs: &Runs) -> Result<Usage, AppError> {
    Ok(Usage { tenant: tenant.to_owned(), run: runs.add() })
}

#[dspinlock(key = tenant, cached(entry = usage_later_entry,))]
async fn usage_later(tenant: &str, runs: &Runs) -> AppResult<Usage> {
    tokio::task::yield_now().await;
    Ok(Usage { tenant: tenant.to_owned(), run: runs.add() })
}

#[dspinlock(key = n, cached(entry = found_entry), on_error = |error| panic!("{error}"))]
fn found(n: u32, runs: &Runs) -> Option<u32> {
    let run = runs.add();
    (n > 0).then_some(run)
}

#[dspinlock(key = n, cached(entry = maybe_entry))]
async fn maybe(n: u32, runs: &Runs) -> AppResult<Option<u32>> {
    tokio::task::yield_now().await;
    Ok(found(n + 100, runs).filter(|_| n > 0))
}

#[dspinlock(cached(entry = number_entry), on_error = |error| panic!("{error}"), key = ())]
fn number(runs: &Runs) -> u32 {
    runs.add()
}

#[dspinlock(cached(entry = counted_entry), on_error = |error| panic!("{error}"), key = ())]
async fn counted(runs: &Runs) -> Arc<Usage> {
    tokio::task::yield_now().await;
    Arc::new(Usage { tenant: "all".into(), run: runs.add() })
}

#[dspinlock(cached(entry = counted_ok_entry), key = ())]
fn counted_ok(runs: &Runs) -> AppResult<Arc<Usage>> {
    Ok(Arc::new(Usage { tenant: "all".into(), run: runs.add() }))
}

/// An `Arc` of an unsized type is stored as a whole.
#[dspinlock(cached, key = ())]
fn text(runs: &Runs) -> AppResult<Arc<str>> {
    Ok(format!("run {}", runs.add()).into())
}

#[dspinlock(cached(entry = unit_entry), key = ())]
fn unit(runs: &Runs) -> AppResult<()> {
    runs.add();
    Ok(())
}

#[dspinlock(cached(entry = bare_unit_entry), key = (), on_error = |error| panic!("{error}"))]
async fn bare_unit(runs: &Runs) {
    tokio::task::yield_now().await;
    runs.add();
}

#[dspinlock(key = text, cached)]
async fn owned_or_not<'a>(text: &'a str, runs: &Runs) -> Result<Cow<'a, str>, AppError> {
    runs.add();
    Ok(text.into())
}

#[dspinlock(key = (key, value), cached(entry = generic_entry))]
fn generic<K, V>(key: &K, value: V, runs: &Runs) -> Result<BTreeMap<String, V>, AppError>
where
    K: LockKey + Debug + ?Sized,
    V: LockKey + Clone + Serialize + DeserializeOwned,
{
    runs.add();
    Ok(BTreeMap::from([(format!("{key:?}"), value)]))
}

/// A value whose type is a parameter is stored as a whole.
#[dspinlock(key = (), cached(entry = made_entry), on_error = |error| panic!("{error}"))]
fn made<T: Default + Serialize + DeserializeOwned>(runs: &Runs) -> T {
    runs.add();
    T::default()
}

/// The error type is opaque.
#[dspinlock(key = (), cached, on_error = |_| Err("no lock"))]
fn opaque_error(runs: &Runs) -> Result<u32, impl Debug + use<>> {
    Ok(runs.add())
}

struct Service {
    name: String,
    runs: Runs,
}

impl Service {
    /// An argument that the companion takes, too.
    #[dspinlock(key = (self.name, id), cached(entry = load_entry), guard = lock)]
    async fn load(&self, (id, mut more): (u32, Vec<u32>)) -> Result<Vec<u32>, AppError> {
        tokio::task::yield_now().await;
        lock.ensure_held()?;
        more.extend([id, self.runs.add()]);
        Ok(more)
    }

    #[dspinlock(key = (), cached(entry = consumed_entry))]
    fn consumed(self) -> AppResult<String> {
        Ok(self.name)
    }

    #[dspinlock(key = (), cached(entry = of_type_entry))]
    fn of_type() -> AppResult<Option<Self>> {
        Ok(None)
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { name: String::deserialize(deserializer)?, runs: Runs::default() })
    }
}

impl Serialize for Service {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

#[async_trait]
trait Repository: Sync {
    fn runs(&self) -> &Runs;

    async fn fetch(&self, id: u32) -> Result<(u32, u32), AppError>;

    #[dspinlock(key = id, cached(entry = with_default_body_entry))]
    async fn with_default_body(&self, id: u32) -> Result<u32, AppError> {
        tokio::task::yield_now().await;
        Ok(id + self.runs().add())
    }
}

#[async_trait]
impl Repository for Service {
    fn runs(&self) -> &Runs {
        &self.runs
    }

    #[dspinlock(key = (self.name, id), cached)]
    async fn fetch(&self, id: u32) -> Result<(u32, u32), AppError> {
        tokio::task::yield_now().await;
        Ok((id, self.runs.add()))
    }
}

#[test]
fn blocking_values_are_computed_once() {
    let runs = Runs::default();
    alone(|| {
        for _ in 0..2 {
            assert_eq!(usage("a", &runs).unwrap(), Usage { tenant: "a".into(), run: 1 });
        }
        assert_eq!(usage("b", &runs).unwrap().run, 2);
        assert_eq!([found(1, &runs), found(1, &runs)], [Some(3); 2]);
        assert_eq!([found(0, &runs), found(0, &runs), None], [None; 3]);
        assert_eq!([number(&runs), number(&runs)], [5, 5]);
        assert_eq!([counted_ok(&runs).unwrap().run, counted_ok(&runs).unwrap().run], [6, 6]);
        assert_eq!([&*text(&runs).unwrap(), &*text(&runs).unwrap()], ["run 7"; 2]);
        unit(&runs).unwrap();
        unit(&runs).unwrap();
        assert_eq!(runs.add(), 9);
        assert_eq!(format!("{:?}", (opaque_error(&runs), opaque_error(&runs))), "(Ok(10), Ok(10))");
    });
}

#[test]
fn async_values_are_computed_once() {
    let runs = Runs::default();
    alone_async(async {
        for _ in 0..2 {
            assert_eq!(usage_later("a", &runs).await.unwrap().run, 1);
            assert_eq!(maybe(1, &runs).await.unwrap(), Some(2));
            assert_eq!(maybe(0, &runs).await.unwrap(), None);
            assert_eq!(counted(&runs).await.run, 4);
            bare_unit(&runs).await;
            assert_eq!(owned_or_not("text", &runs).await.unwrap(), "text");
        }
        assert_eq!(runs.add(), 7);
    });
}

#[test]
fn generic_functions_have_a_value_for_each_of_their_types() {
    let runs = Runs::default();
    alone(|| {
        for _ in 0..2 {
            assert_eq!(generic("a", 5_u8, &runs).unwrap(), BTreeMap::from([("\"a\"".into(), 5)]));
            assert_eq!(generic("a", 5_u16, &runs).unwrap(), BTreeMap::from([("\"a\"".into(), 5)]));
            assert_eq!(made::<u32>(&runs), 0);
            assert_eq!(made::<String>(&runs), "");
            made::<()>(&runs);
        }
        assert_eq!(runs.add(), 6);
        assert!(generic_entry("a", 5_u8, &runs).unwrap().forget_blocking().unwrap());
        assert!(generic_entry("a", 5_u8, &runs).unwrap().get_ok_blocking().unwrap().is_none());
        assert!(generic_entry("a", 5_u16, &runs).unwrap().get_ok_blocking().unwrap().is_some());
        assert_eq!(made_entry::<u32>(&runs).unwrap().get_blocking().unwrap(), Some(0));
        assert_eq!(made_entry::<()>(&runs).unwrap().get_blocking().unwrap(), Some(()));
        assert_eq!(made_entry::<u64>(&runs).unwrap().get_blocking().unwrap(), None);
    });
}

#[test]
fn methods_share_values_too() {
    let service = |name: &str| Service { name: name.into(), runs: Runs::default() };
    let (a, b) = (service("a"), service("b"));
    alone_async(async {
        assert_eq!(a.load((7, vec![3])).await.unwrap(), [3, 7, 1]);
        assert_eq!(a.load((7, vec![4])).await.unwrap(), [3, 7, 1]);
        assert_eq!(b.load((7, vec![4])).await.unwrap(), [4, 7, 1]);
        assert_eq!(a.load_entry((7, Vec::new())).unwrap().get_ok().await.unwrap(), Some(vec![3, 7, 1]));
        assert_eq!(a.fetch(7).await.unwrap(), (7, 2));
        assert_eq!(a.fetch(7).await.unwrap(), (7, 2));
        assert_eq!([a.with_default_body(1).await.unwrap(), b.with_default_body(1).await.unwrap()], [4, 4]);
        assert_eq!(b.with_default_body_entry(1).unwrap().get_ok().await.unwrap(), Some(4));
    });
    alone(|| {
        assert_eq!(a.consumed().unwrap(), "a");
        assert_eq!(service("c").consumed().unwrap(), "a");
        assert_eq!(service("c").consumed_entry().unwrap().get_ok_blocking().unwrap().as_deref(), Some("a"));
        assert!(Service::of_type_entry().unwrap().get_ok_blocking().unwrap().is_none());
        assert!(Service::of_type().unwrap().is_none());
        assert!(Service::of_type_entry().unwrap().get_ok_blocking().unwrap().unwrap().is_none());
    });
}

#[test]
fn companions_peek_and_forget() {
    let runs = Runs::default();
    alone(|| {
        let entry = usage_entry("a", &runs).unwrap();
        assert_eq!(entry.get_ok_blocking().unwrap(), None);
        assert!(!entry.forget_blocking().unwrap());
        usage("a", &runs).unwrap();
        assert_eq!(entry.get_ok_blocking().unwrap(), Some(Usage { tenant: "a".into(), run: 1 }));
        assert_eq!(usage_entry("b", &runs).unwrap().get_ok_blocking().unwrap(), None);
        assert_eq!(entry.key(), "\"a\"");
        assert!(entry.forget_blocking().unwrap());
        assert_eq!(entry.get_ok_blocking().unwrap(), None);
        assert_eq!(usage("a", &runs).unwrap().run, 2);

        assert_eq!(unit_entry(&runs).unwrap().get_ok_blocking().unwrap(), None);
        unit(&runs).unwrap();
        assert_eq!(unit_entry(&runs).unwrap().get_ok_blocking().unwrap(), Some(()));
        assert_eq!(found_entry(0, &runs).unwrap().get_blocking().unwrap(), None);
        found(0, &runs);
        assert_eq!(found_entry(0, &runs).unwrap().get_blocking().unwrap(), Some(None));
        number(&runs);
        assert_eq!(number_entry(&runs).unwrap().get_blocking().unwrap(), Some(5));
        counted_ok(&runs).unwrap();
        assert_eq!(counted_ok_entry(&runs).unwrap().get_ok_blocking().unwrap().unwrap().run, 6);
    });
    alone_async(async {
        let entry = usage_later_entry("a", &runs).unwrap();
        assert_eq!(entry.get_ok().await.unwrap(), None);
        let run = usage_later("a", &runs).await.unwrap().run;
        assert_eq!(entry.get_ok().await.unwrap().unwrap().run, run);
        assert!(entry.forget().await.unwrap() && !entry.forget().await.unwrap());
        maybe(0, &runs).await.unwrap();
        assert_eq!(maybe_entry(0, &runs).unwrap().get_ok().await.unwrap(), Some(None));
        counted(&runs).await;
        assert!(counted_entry(&runs).unwrap().get().await.unwrap().is_some());
        bare_unit(&runs).await;
        assert_eq!(bare_unit_entry(&runs).unwrap().get().await.unwrap(), Some(()));
    });
}

/// The future of a cached call, that of a companion's `peek`, and the companion itself are `Send`.
#[test]
fn futures_and_companions_are_send() {
    fn send<T: Send + Sync>(value: T) -> T {
        value
    }
    fn send_future<F: Future + Send>(future: F) -> F {
        future
    }
    let runs = Runs::default();
    testing::scope(&Client::memory(), || {
        drop(send_future(usage_later("a", &runs)));
        let entry = send(usage_later_entry("a", &runs).unwrap());
        drop((send_future(entry.get_ok()), send_future(entry.forget())));
    });
}

#[dspinlock(key = (), cached)]
fn recursive(depth: u32) -> AppResult<u32> {
    if depth == 0 { Ok(0) } else { recursive(depth - 1) }
}

#[test]
fn recursion_is_an_error() {
    alone(|| {
        let Err(AppError::Lock(error)) = recursive(1) else { panic!("the key is held by the outer call") };
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("recursive"), "{error}");
        assert_eq!(recursive(0).unwrap(), 0);
    });
}
