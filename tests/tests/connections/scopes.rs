//! `testing::scope`: a client in place of the global one, for one piece of code.

use dspinlock::testing::{Sandbox, carry, carry_async, scope, scope_async};
use dspinlock::{Client, DSpinlock, ErrorKind, dspinlock, init};
use dspinlock_tests::{Log, block_on};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio::runtime::Builder;

/// Whether `client` is the current client, seen by a lock that only its store has.
fn is_in_force(client: &Client) -> bool {
    let key = fastrand::u64(..);
    let held = client.lock(key).acquire_blocking().unwrap();
    let same = DSpinlock::new(key).try_acquire_blocking().unwrap().is_none();
    held.abandon_blocking().unwrap();
    same
}

async fn is_in_force_async(client: &Client) -> bool {
    let key = fastrand::u64(..);
    let held = client.lock(key).acquire().await.unwrap();
    tokio::task::yield_now().await;
    let same = DSpinlock::new(key).try_acquire().await.unwrap().is_none();
    held.abandon().await.unwrap();
    same
}

#[dspinlock(key = name, once)]
fn annotated(name: &str) -> Result<Option<String>, dspinlock::Error> {
    Ok(Some(format!("{name} ran")))
}

#[test]
fn the_innermost_scope_counts() {
    let (outer, inner) = (Client::memory(), Client::memory());
    scope(&outer, || {
        assert!(is_in_force(&outer) && !is_in_force(&inner));
        scope(&inner, || assert!(is_in_force(&inner) && !is_in_force(&outer)));
        assert!(is_in_force(&outer));

        let unwound = catch_unwind(AssertUnwindSafe(|| scope(&inner, || panic!("on purpose"))));
        assert!(unwound.is_err() && is_in_force(&outer), "a panic ends its scope");
        // A client that is named takes precedence over all scopes.
        let held = inner.lock("named").acquire_blocking().unwrap();
        assert!(inner.lock("named").try_acquire_blocking().unwrap().is_none());
        drop(held);
    });
}

#[test]
fn annotated_functions_of_two_tests_do_not_meet() {
    for _ in 0..3 {
        scope(&Client::memory(), || {
            assert_eq!(annotated("report").unwrap().as_deref(), Some("report ran"));
            assert_eq!(annotated("report").unwrap(), None, "done already, in this store");
        });
    }
}

#[test]
fn a_scope_belongs_to_its_thread() {
    let (here, there) = (Client::memory(), Client::memory());
    scope(&here, || {
        thread::scope(|threads| {
            let other = threads.spawn(|| scope(&there, || is_in_force(&there) && !is_in_force(&here)));
            assert!(other.join().unwrap());
        });
        assert!(is_in_force(&here));
    });
}

#[test]
fn an_async_scope_follows_its_task_from_thread_to_thread() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                tokio::spawn(async {
                    let client = Client::memory();
                    scope_async(&client, async {
                        for _ in 0..20 {
                            assert!(is_in_force_async(&client).await);
                            tokio::task::yield_now().await;
                        }
                        let inner = Client::memory();
                        scope_async(&inner, async {
                            assert!(is_in_force_async(&inner).await && !is_in_force_async(&client).await);
                        })
                        .await;
                        assert!(is_in_force_async(&client).await);
                        // A spawned task gets its scope from `scope_async` or `carry_async`.
                        let spawned = client.clone();
                        let spawned = async move { is_in_force_async(&spawned).await };
                        assert!(tokio::spawn(scope_async(&client, spawned)).await.unwrap());
                        let spawned = client.clone();
                        let spawned = async move { is_in_force_async(&spawned).await };
                        assert!(tokio::spawn(carry_async(spawned)).await.unwrap());
                    })
                    .await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Two tasks of one thread, whose polls alternate.
#[test]
fn async_scopes_of_one_thread_do_not_mix() {
    let (first, second) = (Client::memory(), Client::memory());
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let both = async |mine: &Client, other: &Client| {
            for _ in 0..20 {
                assert!(is_in_force_async(mine).await && !is_in_force_async(other).await);
            }
        };
        tokio::join!(
            scope_async(&first, both(&first, &second)),
            scope_async(&second, both(&second, &first)),
        );
    });
    // The same with a scope of the thread around them.
    scope(&first, || {
        assert!(block_on(scope_async(&second, is_in_force_async(&second))));
        assert!(is_in_force(&first));
    });
}

/// The error of a call that has lost its scope.
fn lost() -> Option<ErrorKind> {
    let error = DSpinlock::new("lost").try_acquire_blocking().err()?;
    assert!(error.to_string().contains("testing::carry"), "{error}");
    let annotated = annotated("lost").unwrap_err();
    assert_eq!(annotated.kind(), error.kind());
    Some(error.kind())
}

async fn lost_async() -> Option<ErrorKind> {
    DSpinlock::new("lost").try_acquire().await.err().map(|error| error.kind())
}

#[test]
fn a_call_that_has_lost_its_scope_is_an_error_and_contacts_no_server() {
    let client = Client::memory();
    scope(&client, || {
        assert_eq!(thread::spawn(lost).join().unwrap(), Some(ErrorKind::Misuse));
        let here = client.clone();
        assert!(thread::spawn(carry(move || is_in_force(&here))).join().unwrap());
    });
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(scope_async(&client, async {
        assert_eq!(tokio::spawn(lost_async()).await.unwrap(), Some(ErrorKind::Misuse));
        assert_eq!(tokio::task::spawn_blocking(lost).await.unwrap(), Some(ErrorKind::Misuse));
        let here = client.clone();
        assert!(tokio::task::spawn_blocking(carry(move || is_in_force(&here))).await.unwrap());
    }));
    // The spawned work may run after the test.
    assert_eq!(lost(), Some(ErrorKind::Misuse));
    assert_eq!(carry(lost)(), Some(ErrorKind::Misuse), "there is nothing to take along");
}

/// Runs the test `name` in a process of its own, and returns true in that process.
fn alone(name: &str) -> bool {
    dspinlock_tests::alone(&format!("scopes::{name}"), "DSPINLOCK_URL", Some("memory://".into())).is_none()
}

#[test]
fn the_default_global_client_is_refused_after_the_first_scope() {
    if alone("the_default_global_client_is_refused_after_the_first_scope") {
        assert!(DSpinlock::new("before").try_acquire_blocking().unwrap().is_some());
        assert_eq!(carry(lost)(), None, "without any scope nothing is lost");
        scope(&Client::memory(), || {
            assert!(DSpinlock::new("inside").try_acquire_blocking().unwrap().is_some());
        });
        assert_eq!(lost(), Some(ErrorKind::Misuse));
    }
}

#[test]
fn the_default_global_client_is_refused_after_the_first_sandbox() {
    if alone("the_default_global_client_is_refused_after_the_first_sandbox") {
        let sandbox = Sandbox::new();
        assert_eq!(lost(), Some(ErrorKind::Misuse), "the test has forgotten the scope");
        assert_eq!(scope(sandbox.client(), lost), None);
    }
}

#[test]
fn a_chosen_global_client_is_used_outside_scopes_with_one_warning() {
    if alone("a_chosen_global_client_is_used_outside_scopes_with_one_warning") {
        let log = Log::of_this_process();
        let global = Client::memory();
        init(global.clone()).unwrap();
        assert!(is_in_force(&global));
        scope(&Client::memory(), || {
            assert_eq!(log.count(&["outside of all testing scopes"]), 0);
            let there = global.clone();
            assert!(thread::spawn(move || is_in_force(&there)).join().unwrap());
        });
        assert!(is_in_force(&global));
        assert_eq!(log.count(&["WARN", "outside of all testing scopes"]), 1);
    }
}

/// Asks for the current client when it is dropped.
struct OnDrop<'a>(&'a Client, &'a mut bool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        *self.1 = is_in_force(self.0);
    }
}

#[test]
fn the_drop_of_a_future_runs_in_its_scope() {
    let (client, mut polled, mut unpolled) = (Client::memory(), false, false);
    let on_drop = OnDrop(&client, &mut polled);
    let future = scope_async(&client, async move {
        let _on_drop = on_drop;
        std::future::pending::<()>().await;
    });
    block_on(async {
        let mut future = Box::pin(future);
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context)))
                .await
                .is_pending()
        );
    });
    let on_drop = OnDrop(&client, &mut unpolled);
    drop(scope_async(&client, async move { drop(on_drop) }));
    assert!(polled && unpolled);
}
