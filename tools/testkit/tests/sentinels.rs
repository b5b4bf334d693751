//! A primary, its replica and their sentinels.

use dspinlock_testkit::{Reply, Sentinels};

#[test]
fn sentinels_switch_after_a_kill_and_by_command() {
    let sentinels = Sentinels::start_with(&["--requirepass", "data"], &["--requirepass", "watch"]);
    let first = sentinels.primary().port();
    assert_eq!(first, sentinels.servers[0].port());
    let mut switches = sentinels.listen();
    sentinels.primary().kill();
    let (_, second) = switches.next();
    assert_eq!(second, sentinels.servers[1].port());
    sentinels.servers[0].restart();
    sentinels.await_agreement();
    // On a busy machine they may switch once more by themselves.
    assert!(sentinels.primary().command(&["SET", "kept", "1"]).is_ok());
    sentinels.replica().await_writes_of(sentinels.primary());

    sentinels.fail_over();
    sentinels.await_agreement();
    assert_eq!(sentinels.primary().command(&["GET", "kept"]), Reply::Bytes(b"1".to_vec()));
}
