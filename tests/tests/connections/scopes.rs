//! `testing::scope`: a client in place of the global one, for a piece of code and nothing else.

use dspinlock::testing::{scope, scope_async};
use dspinlock::{Client, DSpinlock, dspinlock};
use dspinlock_tests::block_on;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio::runtime::Builder;

/// Whether the client in force is the one of `client`, told by a lock that only that one knows.
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
        // A client that is named wins over all scopes.
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
                        // What the task spawns is wrapped, or it is elsewhere.
                        let spawned = client.clone();
                        let spawned = async move { scope_async(&spawned, is_in_force_async(&spawned)).await };
                        assert!(tokio::spawn(spawned).await.unwrap());
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
    // And with a scope of the thread around them.
    scope(&first, || {
        assert!(block_on(scope_async(&second, is_in_force_async(&second))));
        assert!(is_in_force(&first));
    });
}
