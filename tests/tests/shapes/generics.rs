//! Type parameters, const parameters, `where` clauses and `impl Trait` in both positions.

use std::fmt::{Debug, Display};

use dspinlock::{LockKey, dspinlock};

use crate::support::{AppError, alone, alone_async};

#[dspinlock(key = value)]
fn generic<T: LockKey + Display>(value: T) -> Result<String, AppError> {
    Ok(value.to_string())
}

#[dspinlock(key = key)]
async fn where_clause<K, V>(key: &K, value: V) -> Result<V, AppError>
where
    K: LockKey + ?Sized,
    V: Clone,
{
    tokio::task::yield_now().await;
    Ok(value.clone())
}

#[dspinlock(key = values)]
fn const_parameter<const N: usize>(values: [u16; N]) -> Result<usize, AppError> {
    Ok(values.len() + N)
}

#[dspinlock(key = id)]
fn impl_trait_argument(id: impl LockKey + Debug, items: Vec<impl Into<u64>>) -> Result<u64, AppError> {
    Ok(items.into_iter().map(Into::into).sum())
}

#[dspinlock(key = limit)]
fn impl_trait_returned(limit: u8) -> Result<impl Iterator<Item = u8> + Clone, AppError> {
    if limit > 100 {
        return Err(AppError::Own("too many"));
    }
    Ok((0..limit).map(|number| number * 2))
}

#[dspinlock(key = limit)]
async fn impl_trait_returned_later(limit: &str) -> Result<impl Iterator<Item = char> + '_, AppError> {
    tokio::task::yield_now().await;
    Ok(limit.chars().rev())
}

#[dspinlock(key = id, on_error = |_| vec![0_u8].into_iter())]
fn impl_trait_alone(id: u8) -> impl Iterator<Item = u8> {
    vec![id, id].into_iter()
}

struct Store<T>(T);

impl<T: Clone + Display> Store<T> {
    #[dspinlock(key = (id, self.0.to_string()))]
    fn load<const N: usize>(&self, id: u32) -> Result<[T; N], AppError>
    where
        T: Debug,
    {
        let copies = vec![self.0.clone(); N];
        copies.try_into().map_err(|_| AppError::Own("not as many"))
    }
}

#[test]
fn parameters() {
    alone(|| {
        assert_eq!(generic(5_u8).unwrap(), "5");
        assert_eq!(generic("five").unwrap(), "five");
        assert_eq!(const_parameter([1, 2, 3]).unwrap(), 6);
        assert_eq!(impl_trait_argument("a", vec![1_u8, 2]).unwrap(), 3);
        assert_eq!(Store(1.5).load::<2>(1).unwrap().len(), 2);
    });
    assert_eq!(alone_async(where_clause("key", 1)).unwrap(), 1);
}

#[test]
fn opaque_results() {
    alone(|| {
        assert_eq!(impl_trait_returned(3).unwrap().collect::<Vec<_>>(), [0, 2, 4]);
        assert!(impl_trait_returned(101).is_err());
        assert_eq!(impl_trait_alone(7).sum::<u8>(), 14);
    });
    alone_async(async {
        assert_eq!(impl_trait_returned_later("abc").await.unwrap().collect::<String>(), "cba");
    });
}
