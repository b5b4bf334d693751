//! Default namespaces keep the keys of two functions apart, and a shared `namespace` joins them.
//!
//! A `once` function runs once for each key, so a call that runs has a key of its own.

use std::fmt::Debug;
use std::marker::PhantomData;

use dspinlock::{CachedEntry, Client, DSpinlock, dspinlock, testing};

use crate::support::{AppError, alone, alone_async};

type Ran = Result<Option<()>, AppError>;

struct Mail(u32);
struct Print(u32);

impl Mail {
    #[dspinlock(key = id, once)]
    fn load(&self, id: u32) -> Ran {
        assert_eq!(id, self.0);
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once)]
    fn made() -> Result<Option<Self>, AppError> {
        Ok(Some(Self(1)))
    }
}

impl Print {
    #[dspinlock(key = id, once)]
    fn load(&self, id: u32) -> Ran {
        assert_eq!(id, self.0);
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once)]
    fn made() -> Result<Option<Self>, AppError> {
        Ok(Some(Self(1)))
    }
}

trait Job {
    #[dspinlock(key = 1, once)]
    fn run(&self) -> Ran {
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once)]
    async fn run_later(&self) -> Ran {
        Ok(Some(()))
    }
}

impl Job for Mail {}
impl Job for Print {}

#[dspinlock(key = 1, once)]
fn by_type<T: Default>() -> Result<Option<T>, AppError> {
    Ok(Some(T::default()))
}

#[dspinlock(key = 1, once)]
fn by_constant<const N: usize, const FLAG: bool>() -> Result<Option<[bool; N]>, AppError> {
    Ok(Some([FLAG; N]))
}

#[dspinlock(key = 1, once)]
fn by_argument(value: impl Debug, (list, _): (Vec<impl Debug>, u8)) -> Result<Option<String>, AppError> {
    Ok(Some(format!("{value:?}{list:?}")))
}

/// Its methods do not mention `Self`, so only the compiler knows the parameters.
struct Table<'a, T>(PhantomData<&'a T>);

impl<T: Rank> Table<'_, T> {
    #[dspinlock(key = 1, cached(entry = rank_entry))]
    fn rank() -> Result<u32, AppError> {
        Ok(T::RANK)
    }

    #[dspinlock(key = 1, cached(entry = rank_later_entry))]
    async fn rank_later() -> Result<u32, AppError> {
        Ok(T::RANK)
    }

    #[dspinlock(key = 1, cached)]
    fn rank_and<U: Rank>() -> Result<u32, AppError> {
        Ok(10 * T::RANK + U::RANK)
    }
}

struct Grid<const N: usize>;

impl<const N: usize> Grid<N> {
    #[dspinlock(key = 1, once)]
    fn r#match() -> Ran {
        Ok(Some(()))
    }
}

trait Rank {
    const RANK: u32;

    #[dspinlock(key = 1, once)]
    fn in_trait() -> Ran {
        Ok(Some(()))
    }
}

impl Rank for u8 {
    const RANK: u32 = 1;
}

impl Rank for u16 {
    const RANK: u32 = 2;
}

trait Convert<T> {
    #[dspinlock(key = 1, once)]
    fn convert(&self) -> Ran {
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once)]
    async fn convert_later(&self) -> Ran {
        Ok(Some(()))
    }
}

impl Convert<u8> for Mail {}
impl Convert<u16> for Mail {}

#[async_trait::async_trait]
trait Load {
    async fn load() -> Result<u32, AppError>;
}

#[async_trait::async_trait]
impl<T: Rank> Load for Table<'_, T> {
    #[dspinlock(key = 1, cached(local = "1m"))]
    async fn load() -> Result<u32, AppError> {
        Ok(T::RANK)
    }
}

/// `Self` is the nested type, which this function does not name.
#[dspinlock(key = 1, once)]
fn nested_types() -> Ran {
    struct Nested(Option<Box<Nested>>);
    impl Nested {
        fn empty() -> Self {
            Self(None)
        }
    }
    Ok(Nested::empty().0.map_or(Some(()), |_| None))
}

mod left {
    use super::{Ran, dspinlock};

    #[dspinlock(key = 1, once)]
    pub(super) fn same_name() -> Ran {
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once, namespace = "shapes")]
    pub(super) fn shared() -> Ran {
        Ok(Some(()))
    }
}

mod right {
    use super::{Ran, dspinlock};

    const NAMESPACE: &str = "shapes";

    #[dspinlock(key = 1, once)]
    pub(super) fn same_name() -> Ran {
        Ok(Some(()))
    }

    #[dspinlock(key = 1, once, namespace = NAMESPACE)]
    pub(super) async fn shared() -> Ran {
        Ok(Some(()))
    }
}

#[dspinlock(key = "shapes", once, namespace = "")]
fn bare() -> Ran {
    Ok(Some(()))
}

#[dspinlock(key = name, once, namespace = "")]
fn bare_too(name: &str) -> Ran {
    assert_ne!(name, "shapes");
    Ok(Some(()))
}

#[dspinlock(key = (tenant, [1_u8, 2], numbers.len()), once, namespace = "")]
fn bare_parts(tenant: String, numbers: &[u8]) -> Ran {
    assert_eq!((tenant.as_str(), numbers.len()), ("acme", 3));
    Ok(Some(()))
}

#[dspinlock(key = &(tenant), once, namespace = "reports")]
async fn named(tenant: String) -> Ran {
    assert_eq!(tenant, "acme");
    Ok(Some(()))
}

#[test]
fn a_lock_in_code_has_the_same_key() {
    let client = Client::memory();
    let is_computed = |lock: DSpinlock| lock.inspect_blocking().unwrap().is_some();
    let parts = || client.lock(("acme", [1_u8, 2], 3));
    testing::scope(&client, || {
        assert!(!is_computed(parts()));
        assert!(bare_parts("acme".into(), &[0; 3]).unwrap().is_some());
        assert!(is_computed(parts()));
    });
    let in_namespace = || client.lock("acme").namespace("reports");
    assert!(!is_computed(in_namespace()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert!(runtime.block_on(testing::scope_async(&client, named("acme".into()))).unwrap().is_some());
    assert!(is_computed(in_namespace()));
}

#[test]
fn types_keep_keys_apart() {
    alone(|| {
        assert!(Mail(1).load(1).unwrap().is_some());
        assert!(Print(1).load(1).unwrap().is_some());
        assert!(Mail(1).load(1).unwrap().is_none());
        assert!(Mail::made().unwrap().is_some());
        assert!(Print::made().unwrap().is_some());
        assert!(Print::made().unwrap().is_none());
        assert!(Mail(1).run().unwrap().is_some());
        assert!(Print(1).run().unwrap().is_some());
        assert!(Print(1).run().unwrap().is_none());
    });
    alone_async(async {
        assert!(Mail(1).run_later().await.unwrap().is_some());
        assert!(Print(1).run_later().await.unwrap().is_some());
        assert!(Print(1).run_later().await.unwrap().is_none());
    });
}

#[test]
fn parameters_keep_keys_apart() {
    alone(|| {
        assert!(by_type::<u8>().unwrap().is_some());
        assert!(by_type::<u16>().unwrap().is_some());
        assert!(by_type::<u8>().unwrap().is_none());
        assert!(by_constant::<1, true>().unwrap().is_some());
        assert!(by_constant::<2, true>().unwrap().is_some());
        assert!(by_constant::<1, false>().unwrap().is_some());
        assert!(by_constant::<1, true>().unwrap().is_none());
        assert!(by_argument(1_u8, (vec![1_u8], 0)).unwrap().is_some());
        assert!(by_argument(1_u16, (vec![1_u8], 0)).unwrap().is_some());
        assert!(by_argument(1_u8, (vec![1_u16], 0)).unwrap().is_some());
        assert!(by_argument(2_u8, (vec![2_u8], 0)).unwrap().is_none());
    });
}

#[test]
fn parameters_of_the_surroundings_keep_keys_apart() {
    type Bytes = Table<'static, u8>;
    type Words = Table<'static, u16>;
    alone(|| {
        assert_eq!((Bytes::rank().unwrap(), Words::rank().unwrap()), (1, 2));
        assert_eq!((Bytes::rank_and::<u8>().unwrap(), Words::rank_and::<u8>().unwrap()), (11, 21));
        assert_eq!((Bytes::rank_and::<u16>().unwrap(), Words::rank_and::<u16>().unwrap()), (12, 22));
        for first in [true, false] {
            assert_eq!(Grid::<1>::r#match().unwrap().is_some(), first);
            assert_eq!(Grid::<2>::r#match().unwrap().is_some(), first);
            assert_eq!(u8::in_trait().unwrap().is_some(), first);
            assert_eq!(u16::in_trait().unwrap().is_some(), first);
            assert_eq!(Convert::<u8>::convert(&Mail(1)).unwrap().is_some(), first);
            assert_eq!(Convert::<u16>::convert(&Mail(1)).unwrap().is_some(), first);
        }
    });
    alone_async(async {
        assert_eq!((Bytes::rank_later().await.unwrap(), Words::rank_later().await.unwrap()), (1, 2));
        assert_eq!((Bytes::load().await.unwrap(), Words::load().await.unwrap()), (1, 2));
        assert!(Convert::<u8>::convert_later(&Mail(1)).await.unwrap().is_some());
        assert!(Convert::<u16>::convert_later(&Mail(1)).await.unwrap().is_some());
        assert!(Convert::<u16>::convert_later(&Mail(1)).await.unwrap().is_none());
    });
}

#[test]
fn a_companion_has_the_namespace_of_its_function() {
    alone(|| {
        Table::<u16>::rank().unwrap();
        assert_eq!(Table::<u16>::rank_entry().unwrap().get_ok_blocking().unwrap().unwrap(), 2);
        assert!(Table::<u8>::rank_entry().unwrap().get_ok_blocking().unwrap().is_none());
        let key = |entry: CachedEntry<Result<u32, AppError>>| entry.record_key().to_owned();
        assert!(
            key(Table::<u8>::rank_entry().unwrap())
                .ends_with(",dspinlock-tests/shapes::namespaces::Table<u8>::rank,1")
        );
    });
    alone_async(async {
        Table::<u16>::rank_later().await.unwrap();
        assert_eq!(Table::<u16>::rank_later_entry().unwrap().get_ok().await.unwrap().unwrap(), 2);
        assert!(Table::<u8>::rank_later_entry().unwrap().get_ok().await.unwrap().is_none());
    });
}

#[test]
fn modules_keep_keys_apart_and_a_namespace_joins_them() {
    alone(|| {
        assert!(nested_types().unwrap().is_some());
        assert!(left::same_name().unwrap().is_some());
        assert!(right::same_name().unwrap().is_some());
    });
    alone_async(async {
        assert!(left::shared().unwrap().is_some());
        assert!(right::shared().await.unwrap().is_none());
    });
}

#[test]
fn an_empty_namespace_is_the_key_alone() {
    alone(|| {
        assert!(bare().unwrap().is_some());
        assert!(bare_too("other").unwrap().is_some());
        assert!(bare_too("shapes").unwrap().is_none());
    });
}
