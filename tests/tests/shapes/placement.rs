//! The attribute above and below `#[test]`, `#[tokio::test]` and `#[tokio::main]`: in either order, the body runs under the lock.
//! So they do with `#[instrument]`, where the order says what the span has in it. For `#[async_trait]`, see `async_traits`.

use std::cell::RefCell;
use std::sync::OnceLock;

use dspinlock::{Client, Error, dspinlock};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, instrument};

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

thread_local! {
    /// What has happened on this thread.
    static HAPPENED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The key of the call that is made here.
fn called() -> &'static str {
    HAPPENED.with_borrow_mut(|happened| happened.push("call"));
    "key"
}

/// Notes the spans of this file.
struct Spans;

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == module_path!()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        HAPPENED.with_borrow_mut(|happened| happened.push(attributes.metadata().name()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[instrument]
#[dspinlock(client = client(), key = called())]
fn below_instrument() -> Result<(), Error> {
    Ok(())
}

#[dspinlock(client = client(), key = called())]
#[instrument]
fn above_instrument() -> Result<(), Error> {
    Ok(())
}

#[instrument]
#[dspinlock(client = client(), key = called())]
async fn below_instrument_later() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[dspinlock(client = client(), key = called())]
#[instrument]
async fn above_instrument_later() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[test]
fn the_span_has_the_call_in_it_if_the_attribute_is_above() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(Spans, || {
        below_instrument().unwrap();
        above_instrument().unwrap();
        runtime.block_on(below_instrument_later()).unwrap();
        runtime.block_on(above_instrument_later()).unwrap();
    });
    let happened = HAPPENED.take();
    let expected = [
        ["call", "below_instrument"],
        ["above_instrument", "call"],
        ["call", "below_instrument_later"],
        ["above_instrument_later", "call"],
    ];
    assert_eq!(happened, expected.concat());
}
