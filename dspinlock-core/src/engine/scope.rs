//! Scopes: values in force while some code runs, on its thread and in its task.
//!
//! A future carries its scope, which is in force during each poll. So it follows the task from thread to thread, and other
//! tasks do not see it, whatever the executor.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::LocalKey;

/// The scopes of one kind on a thread, the innermost last.
pub(crate) type Stack<S> = RefCell<Vec<S>>;

/// A value that can be in force.
pub(crate) trait Scope: Clone + 'static {
    /// The values in force on this thread.
    fn stack() -> &'static LocalKey<Stack<Self>>;
}

/// Puts a scope in force until it is dropped.
struct InForce<S: Scope>(std::marker::PhantomData<S>);

impl<S: Scope> InForce<S> {
    fn new(scope: S) -> Self {
        change(|scopes| scopes.push(scope));
        Self(std::marker::PhantomData)
    }
}

impl<S: Scope> Drop for InForce<S> {
    fn drop(&mut self) {
        // Dropped after the borrow has ended, since the drop of a client may run user code.
        let scope = change(Vec::<S>::pop);
        drop(scope);
    }
}

/// Changes the stack. `None` at the very end of a thread, where futures may still be dropped and the stack is gone.
fn change<S: Scope, R>(change: impl FnOnce(&mut Vec<S>) -> R) -> Option<R> {
    S::stack().try_with(|scopes| change(&mut scopes.borrow_mut())).ok()
}

/// Runs `body` with `scope` in force.
pub(crate) fn within<S: Scope, R>(scope: S, body: impl FnOnce() -> R) -> R {
    let _in_force = InForce::new(scope);
    body()
}

pin_project! {
    /// A future that runs with a scope in force, and is dropped with it.
    pub(crate) struct Within<S: Scope, F> {
        scope: Option<S>,
        #[pin]
        future: Option<F>,
    }

    impl<S: Scope, F> PinnedDrop for Within<S, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _in_force = this.scope.clone().map(InForce::new);
            this.future.set(None);
        }
    }
}

impl<S: Scope, F: Future> Within<S, F> {
    pub(crate) fn new(scope: S, future: F) -> Self {
        Self::maybe(Some(scope), future)
    }

    /// Without a scope, this is only the future itself.
    pub(crate) fn maybe(scope: Option<S>, future: F) -> Self {
        Self { scope, future: Some(future) }
    }
}

impl<S: Scope, F: Future> Future for Within<S, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _in_force = this.scope.clone().map(InForce::new);
        match this.future.as_pin_mut() {
            Some(future) => future.poll(context),
            // Only the drop removes it.
            None => Poll::Pending,
        }
    }
}
