//! The tests of the shop. None needs a server, and none sleeps.

use dspinlock::ErrorKind;
use dspinlock::testing::{Sandbox, scope_async};
use dspinlock_testing_example::{Outside, daily_report, import, price, ship, ship_all};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_shipped_once_by_three_instances() {
    let (sandbox, outside) = (Sandbox::new(), Arc::new(Outside::default()));
    let mut instances = Vec::new();
    for client in [sandbox.client().clone(), sandbox.instance(), sandbox.instance()] {
        let outside = Arc::clone(&outside);
        instances.push(tokio::spawn(scope_async(&client, async move { ship(&outside, 17).await })));
    }
    for instance in instances {
        instance.await.unwrap().unwrap();
    }
    sandbox.assert_ran_once("ship");
    assert_eq!(outside.parcels.load(SeqCst), 1);
}

#[tokio::test]
async fn a_scope_follows_the_tasks_of_the_code_under_test() {
    let (sandbox, outside) = (Sandbox::new(), Arc::new(Outside::default()));
    let shipped =
        scope_async(sandbox.client(), async { ship_all(&outside, vec![1, 2, 1, 3, 2]).await }).await;
    assert_eq!((shipped, sandbox.runs("ship")), (3, 3));
}

#[tokio::test]
async fn an_order_that_another_instance_has_shipped_is_turned_away() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    sandbox.done_elsewhere("ship");
    assert_eq!(scope_async(sandbox.client(), ship(&outside, 17)).await.unwrap(), None);
    assert_eq!(sandbox.runs("ship"), 0);
}

#[tokio::test]
async fn an_import_is_left_to_the_instance_that_has_begun() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    outside.import_ends.notify_one();
    let held = sandbox.held_elsewhere("import");
    assert_eq!(scope_async(sandbox.client(), import(&outside)).await.unwrap(), None);
    drop(held);
    assert!(scope_async(sandbox.client(), import(&outside)).await.unwrap().is_some());
    sandbox.assert_ran_once("import");
}

#[tokio::test]
async fn in_an_outage_prices_come_from_the_supplier_and_nothing_is_shipped() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    scope_async(sandbox.client(), async {
        assert_eq!(price(&outside, "tea").await.unwrap(), 100);
        assert_eq!(price(&outside, "tea").await.unwrap(), 100, "the value is shared");

        let outage = sandbox.outage();
        assert_eq!(price(&outside, "tea").await.unwrap(), 101, "computed without the lock");
        assert_eq!(ship(&outside, 17).await.unwrap_err().kind(), ErrorKind::Backend);
        drop(outage);

        assert_eq!(price(&outside, "tea").await.unwrap(), 100);
        assert!(ship(&outside, 17).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn an_import_that_loses_its_lock_stops() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    let (imported, ()) = tokio::join!(scope_async(sandbox.client(), import(&outside)), async {
        outside.import_began.notified().await;
        sandbox.lose("import");
    });
    assert_eq!(imported.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(outside.imports.load(SeqCst), 0, "it was cancelled");
}

#[tokio::test]
async fn an_instance_that_was_stopped_for_longer_than_its_lease_stops_importing() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    let (imported, ()) = tokio::join!(scope_async(sandbox.client(), import(&outside)), async {
        outside.import_began.notified().await;
        sandbox.advance(Duration::from_secs(11));
    });
    assert_eq!(imported.unwrap_err().kind(), ErrorKind::Lost);
    outside.import_ends.notify_one();
    assert!(
        scope_async(&sandbox.instance(), import(&outside)).await.unwrap().is_some(),
        "another takes over"
    );
}

#[tokio::test]
async fn a_report_is_mailed_once_on_each_of_two_days() {
    let (sandbox, outside) = (Sandbox::new(), Outside::default());
    let instances = [sandbox.client().clone(), sandbox.instance(), sandbox.instance()];
    for hour in 0..40_u32 {
        for client in &instances {
            scope_async(client, daily_report(&outside, "acme")).await.unwrap();
        }
        assert_eq!(outside.reports.load(SeqCst), 1 + hour / 20, "in hour {hour}");
        sandbox.advance(HOUR);
    }
    assert_eq!(sandbox.runs("daily_report"), 2);
}
