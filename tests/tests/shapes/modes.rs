//! The five modes as a caller sees them, with `otherwise` and `on_error`.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use dspinlock::{Client, ErrorKind, dspinlock, testing};

use crate::support::{AppError, alone, alone_async};

/// Counts the runs of a body.
#[derive(Default)]
struct Runs(AtomicU32);

impl Runs {
    fn add(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[dspinlock(key = (), on_error = |error| Err(error.kind()))]
fn locked(runs: &Runs) -> Result<u32, ErrorKind> {
    Ok(runs.add())
}

#[dspinlock(key = day, once, expire = "20h")]
fn nightly(day: &str, runs: &Runs, good: bool) -> Result<(), AppError> {
    runs.add();
    if good { Ok(()) } else { Err(AppError::Own("broken")) }
}

#[dspinlock(key = day, once)]
async fn nightly_later(day: &str, runs: &Runs) -> Result<Option<u32>, AppError> {
    tokio::task::yield_now().await;
    Ok(Some(runs.add()))
}

#[dspinlock(key = (), once, on_error = |error| panic!("{error}"))]
fn once_without_a_result(runs: &Runs) {
    runs.add();
}

#[dspinlock(key = (), once, otherwise = runs.count() + 100, on_error = |_| 0)]
fn once_with_a_number(runs: &Runs) -> u32 {
    runs.add()
}

/// The expression of `otherwise` may await, fail, and use the arguments that the body uses.
#[dspinlock(key = name, once, otherwise = { look_up(&name).await?; Ok(name + " again") })]
async fn once_with_a_text(name: String) -> Result<String, AppError> {
    tokio::task::yield_now().await;
    Ok(name)
}

async fn look_up(name: &str) -> Result<(), AppError> {
    tokio::task::yield_now().await;
    if name == "nobody" { Err(AppError::Own("nobody")) } else { Ok(()) }
}

#[dspinlock(key = list, once, otherwise = list.len(), on_error = |_| 0)]
fn once_with_a_list(list: Vec<u8>) -> usize {
    list.into_iter().map(usize::from).sum()
}

#[dspinlock(key = id, fail_if_key_exists)]
fn only_one_succeeds(id: u32, runs: &Runs) -> Result<u32, AppError> {
    assert_eq!(id, 1);
    Ok(runs.add())
}

#[dspinlock(key = (), cached, expire = "10m")]
fn cached(runs: &Runs) -> Result<(), AppError> {
    runs.add();
    Ok(())
}

#[dspinlock(key = (), cached(), on_error = |error| panic!("{error}"), on_lost = "continue")]
async fn cached_later(runs: &Runs) {
    tokio::task::yield_now().await;
    runs.add();
}

/// Runs while another thread holds the same key.
#[dspinlock(client = client, key = (), skip, on_lost = "error")]
fn skipping(client: &Client, inside: &Barrier, runs: &Runs) -> Result<(), AppError> {
    runs.add();
    inside.wait();
    inside.wait();
    Ok(())
}

struct Service {
    locks: Client,
    runs: Runs,
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is that of `on_error`")]
fn to_zero(error: dspinlock::Error) -> u32 {
    assert_eq!(error.kind(), ErrorKind::KeyExists);
    0
}

impl Service {
    #[dspinlock(client = self.locks, key = (), fail_if_key_exists, on_error = to_zero)]
    fn through_a_field(&self) -> u32 {
        self.runs.add()
    }

    #[dspinlock(client = &self.locks.clone(), key = (), fail_if_key_exists, on_error = Self::to_nothing)]
    async fn through_a_temporary(&mut self) -> Option<u32> {
        tokio::task::yield_now().await;
        Some(self.runs.add())
    }

    fn to_nothing(_: dspinlock::Error) -> Option<u32> {
        None
    }
}

#[test]
fn lock_runs_every_time() {
    let runs = Runs::default();
    alone(|| assert_eq!((locked(&runs), locked(&runs)), (Ok(1), Ok(2))));
}

#[test]
fn once_runs_once_for_each_key_and_again_after_a_failure() {
    let runs = Runs::default();
    alone(|| {
        assert!(nightly("monday", &runs, false).is_err());
        for _ in 0..3 {
            nightly("monday", &runs, true).unwrap();
        }
        assert_eq!(runs.count(), 2);
        nightly("tuesday", &runs, true).unwrap();
        assert_eq!(runs.count(), 3);
    });
}

#[test]
fn once_returns_a_value_that_says_that_it_did_not_run() {
    let runs = Runs::default();
    alone_async(async {
        assert_eq!(nightly_later("monday", &runs).await.unwrap(), Some(1));
        assert_eq!(nightly_later("monday", &runs).await.unwrap(), None);
    });
    alone(|| {
        once_without_a_result(&runs);
        once_without_a_result(&runs);
        assert_eq!(runs.count(), 2);
    });
}

#[test]
fn otherwise_may_use_the_arguments() {
    let runs = Runs::default();
    alone(|| {
        assert_eq!([once_with_a_number(&runs), once_with_a_number(&runs)], [1, 101]);
        assert_eq!([once_with_a_list(vec![5, 6]), once_with_a_list(vec![5, 6])], [11, 2]);
    });
    alone_async(async {
        assert_eq!(once_with_a_text("ann".into()).await.unwrap(), "ann");
        assert_eq!(once_with_a_text("ann".into()).await.unwrap(), "ann again");
        assert_eq!(once_with_a_text("nobody".into()).await.unwrap(), "nobody");
        assert!(matches!(once_with_a_text("nobody".into()).await, Err(AppError::Own("nobody"))));
    });
}

#[test]
fn an_existing_key_is_an_error() {
    let runs = Runs::default();
    alone(|| {
        assert_eq!(only_one_succeeds(1, &runs).unwrap(), 1);
        let Err(AppError::Lock(error)) = only_one_succeeds(1, &runs) else { panic!("the key is computed") };
        assert_eq!(error.kind(), ErrorKind::KeyExists);
    });
}

#[test]
fn cached_skips_a_body_that_has_run() {
    let runs = Runs::default();
    alone(|| {
        cached(&runs).unwrap();
        cached(&runs).unwrap();
        assert_eq!(runs.count(), 1);
    });
    alone_async(async {
        cached_later(&runs).await;
        cached_later(&runs).await;
        assert_eq!(runs.count(), 2);
    });
}

#[test]
fn skip_does_not_run_beside_a_holder_and_runs_after_it() {
    let (client, inside, runs) = (Client::memory(), Barrier::new(2), Runs::default());
    thread::scope(|scope| {
        let holder = scope.spawn(|| skipping(&client, &inside, &runs));
        inside.wait();
        skipping(&client, &inside, &runs).unwrap();
        assert_eq!(runs.count(), 1);
        inside.wait();
        holder.join().expect("no panic").unwrap();
        let holder = scope.spawn(|| skipping(&client, &inside, &runs));
        inside.wait();
        assert_eq!(runs.count(), 2);
        inside.wait();
        holder.join().expect("no panic").unwrap();
    });
}

#[test]
fn a_named_client_takes_precedence_over_that_of_the_test() {
    let mut service = Service { locks: Client::memory(), runs: Runs::default() };
    assert_eq!([service.through_a_field(), service.through_a_field()], [1, 0]);
    // In the scope's store, the key would be free.
    testing::scope(&Client::memory(), || assert_eq!(service.through_a_field(), 0));
    alone_async(async {
        assert_eq!(service.through_a_temporary().await, Some(2));
        assert_eq!(service.through_a_temporary().await, None);
    });
}
