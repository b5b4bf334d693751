//! What is in force while some code runs, on its thread and in its task: a client for tests, and the locks that the
//! surrounding annotated functions hold.
//!
//! A future carries its scope with it: it is put in force for each poll, so that it follows the task from thread to
//! thread and is not seen by other tasks, whatever the executor.

use crate::client::{Client, Core};
use crate::error::{ErrorKind, Result};
use crate::spec::Spec;
use crate::waits::{Run, address};
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One thing in force.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// Calls that name no client use this one.
    Client(Client),
    /// The body of an annotated function runs, and this call's lock is held for it.
    Holding(Arc<Run>),
}

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// Puts a scope in force until it is dropped.
struct InForce;

impl InForce {
    fn new(scope: Scope) -> Self {
        change(|scopes| scopes.push(scope));
        Self
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        // Dropped only after the borrow has ended: a client may run code of the user's as it goes.
        let scope = change(Vec::pop);
        drop(scope);
    }
}

/// At a thread's very end, where futures may still be dropped, there are no scopes any more.
fn change<R>(change: impl FnOnce(&mut Vec<Scope>) -> R) -> Option<R> {
    SCOPES.try_with(|scopes| change(&mut scopes.borrow_mut())).ok()
}

/// Runs `body` with `scope` in force.
pub(crate) fn within<R>(scope: Scope, body: impl FnOnce() -> R) -> R {
    let _in_force = InForce::new(scope);
    body()
}

pin_project! {
    /// A future that runs with a scope in force, and is dropped with it.
    pub(crate) struct Within<F> {
        scope: Option<Scope>,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Within<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _in_force = this.scope.clone().map(InForce::new);
            this.future.set(None);
        }
    }
}

impl<F: Future> Within<F> {
    pub(crate) fn new(scope: Scope, future: F) -> Self {
        Self::maybe(Some(scope), future)
    }

    /// With no scope, no more than the future itself.
    pub(crate) fn maybe(scope: Option<Scope>, future: F) -> Self {
        Self { scope, future: Some(future) }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _in_force = this.scope.clone().map(InForce::new);
        match this.future.as_pin_mut() {
            Some(future) => future.poll(context),
            // Only a drop takes it away.
            None => Poll::Pending,
        }
    }
}

/// The client of the innermost scope that has one.
pub(crate) fn client() -> Option<Client> {
    SCOPES.with_borrow(|scopes| {
        scopes.iter().rev().find_map(|scope| match scope {
            Scope::Client(client) => Some(client.clone()),
            Scope::Holding(_) => None,
        })
    })
}

/// The calls around the code that runs here, the outermost first.
pub(crate) fn surrounding(mut each: impl FnMut(&Arc<Run>)) {
    SCOPES.with_borrow(|scopes| {
        for scope in scopes {
            if let Scope::Holding(run) = scope {
                each(run);
            }
        }
    });
}

/// Refuses a lock that the surrounding code holds: it would wait for itself, or be turned away by itself.
pub(crate) fn check_recursion(core: &Arc<Core>, spec: &Spec) -> Result<()> {
    let mut inside = false;
    surrounding(|run| {
        inside |= run.core == address(core) && run.lock.names.record == spec.names.record;
    });
    if inside {
        let what = "a recursive call: the function that is running here holds this very key and would wait for itself, or \
                    be turned away by itself; lock only the outer call, or give the inner one another key";
        return Err(spec.error(ErrorKind::Misuse, what));
    }
    Ok(())
}
