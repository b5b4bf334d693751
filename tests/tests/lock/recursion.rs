//! Acquiring a lock inside an annotated function that holds it is an error in every mode and through every method. It would
//! wait for itself, or be skipped because of itself.

use dspinlock::{Client, DSpinlock, ErrorKind, dspinlock};
use dspinlock_tests::block_on;

type Outcome = Result<(), ErrorKind>;

/// Holds the key while `inner` runs.
#[dspinlock(client = client, namespace = "recursion", key = 7, on_error = |error| Err(error.kind()))]
fn holds(client: &Client, inner: impl FnOnce() -> Outcome) -> Outcome {
    inner()
}

#[dspinlock(client = client, namespace = "recursion", key = 7, on_error = |error| Err(error.kind()))]
async fn holds_async(client: &Client, inner: impl AsyncFnOnce() -> Outcome) -> Outcome {
    tokio::task::yield_now().await;
    inner().await
}

#[dspinlock(client = client, namespace = "recursion", key = key, skip, on_error = |error| Err(error.kind()))]
fn skips(client: &Client, key: u32) -> Outcome {
    Ok(())
}

#[dspinlock(client = client, namespace = "recursion", key = key, skip, on_error = |error| Err(error.kind()))]
async fn skips_async(client: &Client, key: u32) -> Outcome {
    Ok(())
}

#[dspinlock(client = client, namespace = "recursion", key = key, once, on_error = |error| Err(error.kind()))]
fn once(client: &Client, key: u32) -> Outcome {
    Ok(())
}

#[dspinlock(client = client, namespace = "recursion", key = key, fail_if_key_exists, on_error = |error| Err(error.kind()))]
fn fails(client: &Client, key: u32) -> Outcome {
    Ok(())
}

#[dspinlock(client = client, namespace = "recursion", key = key, cached, on_error = |error| Err(error.kind()))]
fn cached(client: &Client, key: u32) -> Outcome {
    Ok(())
}

/// `skip` and `once` that call themselves.
#[dspinlock(client = client, key = 7, skip, on_error = |error| Err(error.kind()))]
fn skips_itself(client: &Client, depth: u32) -> Outcome {
    if depth == 0 { Ok(()) } else { skips_itself(client, depth - 1) }
}

#[dspinlock(client = client, key = 7, once, on_error = |error| Err(error.kind()))]
async fn once_itself(client: &Client, depth: u32) -> Outcome {
    tokio::task::yield_now().await;
    if depth == 0 { Ok(()) } else { Box::pin(once_itself(client, depth - 1)).await }
}

#[test]
fn an_annotated_function_is_refused_in_every_mode() {
    let client = &Client::memory();
    let modes = [
        ("skip", skips as fn(&Client, u32) -> Outcome),
        ("once", once),
        ("fail_if_key_exists", fails),
        ("cached", cached),
    ];
    for (key, (name, call)) in (8..).zip(modes) {
        assert_eq!(holds(client, || call(client, 7)), Err(ErrorKind::Misuse), "{name}");
        assert_eq!(holds(client, || call(client, key)), Ok(()), "{name}: another key is another lock");
        let elsewhere = Client::memory();
        assert_eq!(holds(client, || call(&elsewhere, 7)), Ok(()), "{name}: another store is another lock");
    }
    let inner = async || skips_async(client, 7).await;
    assert_eq!(block_on(holds_async(client, inner)), Err(ErrorKind::Misuse));
    assert_eq!(skips_itself(client, 1), Err(ErrorKind::Misuse));
    assert_eq!(block_on(once_itself(client, 1)), Err(ErrorKind::Misuse));
    // The outer calls gave their locks back.
    assert_eq!(skips_itself(client, 0), Ok(()));
    assert_eq!(block_on(once_itself(client, 0)), Ok(()));
}

#[test]
fn a_lock_in_code_is_refused_by_every_method() {
    let client = &Client::memory();
    let lock = || client.lock(7).namespace("recursion");
    let kind = |error: dspinlock::Error| error.kind();
    let methods: [(&str, &dyn Fn(DSpinlock) -> Outcome); 5] = [
        ("acquire", &|lock| lock.acquire_blocking().map(drop).map_err(kind)),
        ("try_acquire", &|lock| lock.try_acquire_blocking().map(drop).map_err(kind)),
        ("enter", &|lock| lock.cached_if_computed(true).enter_blocking().map(drop).map_err(kind)),
        ("fail_if_key_exists", &|lock| {
            lock.fail_if_key_exists(true).acquire_blocking().map(drop).map_err(kind)
        }),
        ("get_or_compute", &|lock| {
            lock.get_or_compute_blocking(|| Ok::<_, dspinlock::Error>(1)).map(drop).map_err(kind)
        }),
    ];
    for (name, method) in methods {
        assert_eq!(holds(client, || method(lock())), Err(ErrorKind::Misuse), "{name}");
    }
    let inner = async || lock().try_acquire().await.map(drop).map_err(kind);
    assert_eq!(block_on(holds_async(client, inner)), Err(ErrorKind::Misuse));
    // Inspecting takes no lock.
    assert_eq!(
        holds(client, || lock().inspect_blocking().map(|found| assert!(found.is_some())).map_err(kind)),
        Ok(())
    );
}
