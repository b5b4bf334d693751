//! Methods under `async-trait`, alone and with `tracing::instrument` in either order.

use async_trait::async_trait;
use dspinlock::dspinlock;
use tracing::instrument;

use crate::support::{AppError, alone_async};

#[async_trait]
trait Repository: Sync {
    fn name(&self) -> &str;

    async fn load(&self, id: u32) -> Result<bool, AppError>;

    #[dspinlock(key = (self.name(), id), guard = lock)]
    async fn with_default_body(&self, id: u32) -> Result<(bool, u32), AppError> {
        tokio::task::yield_now().await;
        Ok((lock.is_held(), id))
    }
}

struct Database {
    name: String,
    turns: u32,
}

#[async_trait]
impl Repository for Database {
    fn name(&self) -> &str {
        &self.name
    }

    #[dspinlock(key = (self.name, id), guard = lock)]
    async fn load(&self, id: u32) -> Result<bool, AppError> {
        tokio::task::yield_now().await;
        Ok(lock.is_held() && id > 0)
    }
}

#[async_trait]
trait Worker {
    async fn patterns(
        &mut self,
        (left, right): (u32, String),
        mut list: Vec<u32>,
    ) -> Result<Vec<u32>, AppError>;
    async fn consumed(self, by: &str) -> Result<String, AppError>;
    async fn generic<T: Into<u32> + Send>(value: T) -> Result<u32, AppError>;
    async fn span_outside(&self, id: u32) -> Result<bool, AppError>;
    async fn span_inside(&self, id: u32) -> Result<bool, AppError>;
    async fn skipped(&self, id: u32) -> Option<u32>;
}

#[async_trait]
impl Worker for Database {
    #[dspinlock(key = (left, right))]
    async fn patterns(
        &mut self,
        (left, right): (u32, String),
        mut list: Vec<u32>,
    ) -> Result<Vec<u32>, AppError> {
        self.turns += 1;
        tokio::task::yield_now().await;
        list.extend([left, u32::try_from(right.len()).expect("a short text"), self.turns]);
        Ok(list)
    }

    #[dspinlock(key = self.name)]
    async fn consumed(self, by: &str) -> Result<String, AppError> {
        if by.is_empty() {
            return Err(AppError::Own("by nobody"));
        }
        Ok(self.name + by)
    }

    #[dspinlock(key = ())]
    async fn generic<T: Into<u32> + Send>(value: T) -> Result<u32, AppError> {
        Ok(value.into())
    }

    #[instrument(skip(self))]
    #[dspinlock(key = id, guard = lock)]
    async fn span_outside(&self, id: u32) -> Result<bool, AppError> {
        tokio::task::yield_now().await;
        Ok(lock.is_held() && id > 0)
    }

    #[dspinlock(key = id, guard = lock)]
    #[instrument(skip(self))]
    async fn span_inside(&self, id: u32) -> Result<bool, AppError> {
        tokio::task::yield_now().await;
        Ok(lock.is_held())
    }

    #[dspinlock(key = id, skip, on_error = |_| None)]
    async fn skipped(&self, id: u32) -> Option<u32> {
        Some(id)
    }
}

#[async_trait(?Send)]
trait Local {
    async fn run(&self, text: std::rc::Rc<str>) -> Result<usize, AppError>;
}

#[async_trait(?Send)]
impl Local for Database {
    #[dspinlock(key = text)]
    async fn run(&self, text: std::rc::Rc<str>) -> Result<usize, AppError> {
        tokio::task::yield_now().await;
        Ok(text.len())
    }
}

#[instrument]
#[dspinlock(key = id, guard = lock)]
async fn span_outside(id: u32) -> Result<bool, AppError> {
    tokio::task::yield_now().await;
    Ok(lock.is_held())
}

#[dspinlock(key = id, guard = lock)]
#[instrument(err)]
async fn span_inside(id: u32) -> Result<bool, AppError> {
    tokio::task::yield_now().await;
    Ok(lock.is_held())
}

#[instrument(ret)]
#[dspinlock(key = id, guard = lock)]
fn blocking_span_outside(id: u32) -> Result<bool, AppError> {
    Ok(lock.is_held())
}

#[dspinlock(key = id, guard = lock)]
#[instrument]
fn blocking_span_inside(id: u32) -> Result<bool, AppError> {
    Ok(lock.is_held())
}

#[test]
fn methods_of_async_traits_hold_the_lock_while_they_run() {
    alone_async(async {
        let mut database = Database { name: "main".into(), turns: 0 };
        assert!(database.load(1).await.unwrap());
        let dynamic: &dyn Repository = &database;
        assert_eq!(dynamic.with_default_body(2).await.unwrap(), (true, 2));
        assert_eq!(database.patterns((3, "ab".into()), vec![9]).await.unwrap(), [9, 3, 2, 1]);
        assert_eq!(<Database as Worker>::generic(4_u8).await.unwrap(), 4);
        assert_eq!(database.skipped(5).await, Some(5));
        assert_eq!(database.run("abc".into()).await.unwrap(), 3);
        assert_eq!(database.consumed("!").await.unwrap(), "main!");
    });
}

#[test]
fn spans_go_outside_or_inside() {
    alone_async(async {
        let database = Database { name: "main".into(), turns: 0 };
        assert!(database.span_outside(1).await.unwrap());
        assert!(database.span_inside(1).await.unwrap());
        assert!(span_outside(1).await.unwrap());
        assert!(span_inside(1).await.unwrap());
        assert!(blocking_span_outside(1).unwrap());
        assert!(blocking_span_inside(1).unwrap());
    });
}
