//! Conditional parameters, and return types of async functions.
#![deny(warnings)]
#![allow(unexpected_cfgs, reason = "a condition that never holds")]

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use dspinlock::{Client, Error, dspinlock, testing};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[dspinlock(key = 1)]
fn arguments(
    #[cfg(never)] name: impl Into<String>,
    #[cfg(not(never))] number: impl Into<u64>,
) -> Result<u64, Error> {
    Ok(number.into())
}

#[dspinlock(key = 1, cached(entry = parameters_entry))]
fn parameters<
    #[cfg(never)] T: Default,
    #[cfg(not(never))] U: Default,
    #[cfg(never)] const N: usize,
    #[cfg(not(never))] const M: usize,
>(
    #[cfg(never)] name: impl Into<String>,
) -> Result<usize, Error> {
    let _ = U::default();
    Ok(M)
}

#[dspinlock]
async fn started() -> Result<JoinHandle<u8>, Error> {
    Ok(tokio::spawn(async { 1 }))
}

#[dspinlock(on_error = |_| None)]
async fn requested() -> Option<oneshot::Receiver<u8>> {
    let (sender, receiver) = oneshot::channel();
    sender.send(2).ok()?;
    Some(receiver)
}

#[dspinlock(on_error = |_| ready(0))]
async fn made() -> Ready<u8> {
    ready(3)
}

#[dspinlock]
async fn boxed() -> Result<Pin<Box<dyn Future<Output = u8>>>, Error> {
    Ok(Box::pin(async { 4 }))
}

fn main() {
    let client = Client::memory();
    testing::scope(&client, || {
        assert_eq!(arguments(5_u8).unwrap(), 5);
        assert_eq!(parameters::<u8, 6>().unwrap(), 6);
        assert_eq!(parameters::<u8, 7>().unwrap(), 7);
        assert_eq!(parameters_entry::<u8, 7>().unwrap().get_ok_blocking().unwrap(), Some(7));
        assert_eq!(parameters_entry::<u16, 7>().unwrap().get_ok_blocking().unwrap(), None);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let values = async {
        assert_eq!(started().await.unwrap().await.unwrap(), 1);
        assert_eq!(requested().await.unwrap().await.unwrap(), 2);
        assert_eq!(made().await.await, 3);
        assert_eq!(boxed().await.unwrap().await, 4);
    };
    runtime.block_on(testing::scope_async(&client, values));
}
