//! `#[instrument]` above and below `#[dspinlock]`: of two attributes the upper one is expanded first, and the lower one wraps what
//! that has made.

use dspinlock::testing::{Sandbox, scope, scope_async};
use dspinlock::{Error, dspinlock};
use std::cell::RefCell;
use std::sync::Once;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber, instrument};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};

#[instrument]
#[dspinlock(key = ())]
fn above() -> Result<(), Error> {
    tracing::info!("body");
    Ok(())
}

#[dspinlock(key = ())]
#[instrument]
fn below() -> Result<(), Error> {
    tracing::info!("body");
    Ok(())
}

#[instrument]
#[dspinlock(key = ())]
async fn above_async() -> Result<(), Error> {
    tracing::info!("body");
    Ok(())
}

#[dspinlock(key = ())]
#[instrument]
async fn below_async() -> Result<(), Error> {
    tracing::info!("body");
    Ok(())
}

/// Where something was seen: the spans around it, the outermost first.
type Place = (&'static str, Vec<&'static str>);

thread_local! {
    /// The lock's own span, and the event in the body, as this thread has seen them.
    static SEEN: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// A layer of the whole process: what a thread's own subscriber gets depends on the other tests.
struct Seen;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == "dspinlock" {
            let around = context.span_scope(id).into_iter().flat_map(Scope::from_root);
            let mut names: Vec<_> = around.map(|span| span.name()).collect();
            names.pop();
            SEEN.with_borrow_mut(|seen| seen.push(("lock", names)));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != "dspinlock" {
            let around = context.event_scope(event).into_iter().flat_map(Scope::from_root);
            let names = around.map(|span| span.name()).collect();
            SEEN.with_borrow_mut(|seen| seen.push(("body", names)));
        }
    }
}

fn seen(call: impl FnOnce()) -> Vec<Place> {
    static COLLECTS: Once = Once::new();
    COLLECTS.call_once(|| tracing::subscriber::set_global_default(Registry::default().with(Seen)).unwrap());
    SEEN.take();
    call();
    SEEN.take()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn above_the_span_has_only_the_body() {
    let sandbox = Sandbox::new();
    let blocking = seen(|| scope(sandbox.client(), above).unwrap());
    assert_eq!(blocking, [("lock", vec![]), ("body", vec!["above"])]);
    let tasks = seen(|| block_on(scope_async(sandbox.client(), above_async())).unwrap());
    assert_eq!(tasks, [("lock", vec![]), ("body", vec!["above_async"])]);
}

#[test]
fn below_the_span_has_the_wait_for_the_lock_too() {
    let sandbox = Sandbox::new();
    let blocking = seen(|| scope(sandbox.client(), below).unwrap());
    assert_eq!(blocking, [("lock", vec!["below"]), ("body", vec!["below"])]);
    let tasks = seen(|| block_on(scope_async(sandbox.client(), below_async())).unwrap());
    assert_eq!(tasks, [("lock", vec!["below_async"]), ("body", vec!["below_async"])]);
}
