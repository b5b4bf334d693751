//! Async functions.

use std::cell::RefCell;
use std::fmt::Display;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;

use dspinlock::{Client, dspinlock};

use crate::support::{AppError, alone_async};

#[dspinlock(guard = lock)]
async fn without_arguments() -> Result<bool, AppError> {
    tokio::task::yield_now().await;
    Ok(lock.is_held())
}

#[dspinlock(key = (tenant, day), sleep = "100ms", wait = "0s")]
async fn usage(tenant: &str, day: String) -> Result<String, AppError> {
    tokio::task::yield_now().await;
    Ok(tenant.to_owned() + &day)
}

#[dspinlock(key = list.len())]
async fn mutable_arguments(mut list: Vec<u8>, (left, right): (u8, u8)) -> Result<Vec<u8>, AppError> {
    tokio::task::yield_now().await;
    list.extend([left, right]);
    Ok(list)
}

#[dspinlock(key = text)]
async fn question_mark(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let number: u32 = text.parse()?;
    tokio::task::yield_now().await;
    if number > 100 {
        return Err("too large".into());
    }
    Ok(number * 2)
}

/// The signature gives the type of the body: `collect` and `into` need it.
#[dspinlock(key = ())]
async fn inferred_from_the_signature(text: &str) -> Result<Vec<String>, AppError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(text.split(',').map(Into::into).collect())
}

#[dspinlock(key = ())]
async fn trait_object() -> Result<Box<dyn Fn(u8) -> u8 + Send>, AppError> {
    Ok(Box::new(|number| number + 1))
}

#[dspinlock(key = left)]
async fn lifetimes<'a>(left: &'a str, right: &str) -> Result<&'a str, AppError> {
    Ok(&left[..right.len()])
}

#[dspinlock(key = depth)]
async fn recursive(depth: u32) -> Result<u32, AppError> {
    if depth == 0 { Ok(0) } else { Ok(Box::pin(recursive(depth - 1)).await? + 1) }
}

/// The signature gives the type of `otherwise`, too.
#[dspinlock(key = (), once, otherwise = Box::new("again"), on_error = |error| Box::new(error.to_string()))]
async fn coerced() -> Box<dyn Display + Send> {
    Box::new(1)
}

#[tokio::test]
#[dspinlock(client = Client::memory(), guard = lock)]
async fn attribute_below_that_of_a_test() -> Result<(), AppError> {
    assert!(lock.is_held());
    Ok(())
}

#[dspinlock(client = Client::memory(), namespace = format!("{}-{}", "shapes", 1), guard = lock)]
#[tokio::test]
async fn attribute_above_that_of_a_test() -> Result<(), AppError> {
    assert!(lock.is_held());
    Ok(())
}

/// A future that is not `Send` works, too.
#[dspinlock(key = names.borrow().len())]
async fn not_send(names: Rc<RefCell<Vec<u8>>>) -> Result<usize, AppError> {
    tokio::task::yield_now().await;
    names.borrow_mut().push(1);
    Ok(names.borrow().len())
}

/// The key's temporaries are dropped before the body runs, so the future is `Send`.
#[dspinlock(key = counter.lock().expect("no panic").clone(), guard = lock)]
async fn mutex_in_the_key(counter: &Mutex<String>) -> Result<String, AppError> {
    tokio::task::yield_now().await;
    assert!(lock.is_held());
    counter.lock().expect("no panic").push('x');
    Ok(counter.lock().expect("no panic").clone())
}

#[dspinlock(key = (), on_error = |_| 0)]
async fn plain_value(number: u8) -> u8 {
    number
}

/// The expansion of `async-trait`, written by hand.
#[dspinlock(key = name, guard = lock)]
fn boxed<'a>(name: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, AppError>> + Send + 'a>> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        Ok(lock.is_held() && name == "a")
    })
}

type Seen = Result<(u32, usize), AppError>;

/// Only the first `let x = x;` of an argument belongs before the lock. The others are part of the body.
#[dspinlock(key = (number, name), guard = lock)]
fn boxed_and_bound_again(number: u32, name: String) -> Pin<Box<dyn Future<Output = Seen> + Send>> {
    Box::pin(async move {
        let mut number = number;
        let mut seen = 0;
        number += u32::from(lock.is_held());
        seen += name.len();
        let number = number;
        let seen = seen;
        Ok((number, seen))
    })
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn async_functions() {
    alone_async(async {
        assert!(without_arguments().await.unwrap());
        assert_eq!(assert_send(usage("a", "b".into())).await.unwrap(), "ab");
        assert_eq!(mutable_arguments(vec![1], (2, 3)).await.unwrap(), [1, 2, 3]);
        assert_eq!(plain_value(3).await, 3);
        assert_eq!(inferred_from_the_signature("a,b").await.unwrap(), ["a", "b"]);
        assert_eq!(trait_object().await.unwrap()(1), 2);
        assert_eq!(lifetimes("abc", "xx").await.unwrap(), "ab");
        assert_eq!(recursive(3).await.unwrap(), 3);
        assert_eq!(not_send(Rc::default()).await.unwrap(), 1);
        assert!(assert_send(boxed("a")).await.unwrap());
        assert_eq!(boxed_and_bound_again(1, "abc".into()).await.unwrap(), (2, 3));
        assert_eq!(coerced().await.to_string(), "1");
        assert_eq!(coerced().await.to_string(), "again");
    });
}

#[test]
fn leaving_early() {
    alone_async(async {
        assert_eq!(question_mark("21").await.unwrap(), 42);
        assert!(question_mark("x").await.is_err());
        assert_eq!(question_mark("101").await.unwrap_err().to_string(), "too large");
    });
}

#[test]
fn the_borrows_of_the_key_end_before_the_wait() {
    let counter = Mutex::new(String::new());
    assert_eq!(alone_async(assert_send(mutex_in_the_key(&counter))).unwrap(), "x");
}
