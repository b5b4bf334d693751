//! What keeps the keys of two functions apart without a `namespace`, and what joins them with one.
//!
//! A `once` function that has run is turned away, so a call that runs has a key of its own.

use std::fmt::Debug;

use dspinlock::{Client, DSpinlock, dspinlock, testing};

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

/// Its `Self` is that of the nested type, of which this function knows nothing.
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
