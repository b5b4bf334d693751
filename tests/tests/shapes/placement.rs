//! The attribute above and below `#[test]`, `#[tokio::test]` and `#[tokio::main]`: in either order, the body runs under the lock.
//! For `#[instrument]` and `#[async_trait]`, see `async_traits`.

use std::sync::OnceLock;

use dspinlock::{Client, Error, dspinlock};

/// These functions have no arguments, and nothing around them that could pass a client.
fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(Client::memory)
}

#[test]
#[dspinlock(client = client(), guard = lock)]
fn below_test() -> Result<(), Error> {
    lock.ensure_held()
}

#[dspinlock(client = client(), guard = lock)]
#[test]
fn above_test() -> Result<(), Error> {
    lock.ensure_held()
}

#[tokio::test]
#[dspinlock(client = client(), guard = lock)]
async fn below_tokio_test() -> Result<(), Error> {
    tokio::task::yield_now().await;
    lock.ensure_held()
}

#[dspinlock(client = client(), guard = lock)]
#[tokio::test]
async fn above_tokio_test() -> Result<(), Error> {
    tokio::task::yield_now().await;
    lock.ensure_held()
}

mod below {
    use super::*;

    #[tokio::main(flavor = "current_thread")]
    #[dspinlock(client = client(), guard = lock)]
    pub(super) async fn main() -> Result<(), Error> {
        tokio::task::yield_now().await;
        lock.ensure_held()
    }
}

mod above {
    use super::*;

    #[dspinlock(client = client(), guard = lock)]
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn main() -> Result<(), Error> {
        tokio::task::yield_now().await;
        lock.ensure_held()
    }
}

#[test]
fn programs_run_under_the_lock() {
    below::main().unwrap();
    above::main().unwrap();
}
