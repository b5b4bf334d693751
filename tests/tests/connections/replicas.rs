//! Grants that replicas have to confirm.

use dspinlock::{Client, Config, Error, ErrorKind, Options, dspinlock, redis_1};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig, eventually, ms, timed};
use std::time::Duration;

/// Enough for a replica on a busy machine. At most half of the response timeout is waited for.
const SOON: Duration = Duration::from_secs(5);

/// A server with a replica that is up to date.
fn pair() -> (Server, Server) {
    let primary = Server::start_with(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    // A replica counts only once it has acknowledged a write, up to a second after it has connected.
    eventually("the replica has acknowledged a write", || {
        primary.command(&["SET", "something", "1", "PX", "1"]);
        let seen = primary.info("replication");
        let acknowledged = seen.get("slave0").and_then(|replica| {
            replica.split(',').find_map(|field| field.strip_prefix("offset=")?.parse::<u64>().ok())
        });
        acknowledged > Some(0)
    });
    (primary, replica)
}

fn is_free(server: &Server, record: &str) -> bool {
    server.command(&["EXISTS", record]).int() == Some(0)
}

/// A confirmation may take at most half of the time for a reply.
fn patient(primary: &Server) -> Client {
    let config = Config::from_url(&primary.url()).unwrap().with_response_timeout(2 * SOON);
    Client::from_config(&config).unwrap()
}

fn exercise(client: &Client, primary: &Server, replica: &Server) {
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig { client: client.clone(), api };
        let lock = rig.lock("confirmed").replicas(1, SOON);
        let guard = rig.acquire(&lock).unwrap();
        assert!(!is_free(replica, guard.record_key()), "the replica has it when the grant comes");
        // The grant of a waiter is confirmed, too.
        let waiter = std::thread::scope(|scope| {
            let waits = scope.spawn(|| rig.acquire(&rig.lock("confirmed").replicas(1, SOON)).unwrap());
            eventually("it waits", || waits.is_finished() || primary.calls("evalsha") > 3);
            rig.release(guard).unwrap();
            waits.join().unwrap()
        });
        rig.release(waiter).unwrap();

        let many = rig.lock("too many").replicas(2, ms(50));
        let (refused, took) = timed(|| rig.acquire(&many).unwrap_err());
        assert_eq!(refused.kind(), ErrorKind::Backend);
        assert!(refused.to_string().contains("1 of 2 replicas"), "{refused}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        eventually("given back", || is_free(primary, many.record_key().unwrap()));

        replica.pause();
        let refused = rig.acquire(&rig.lock("silent").replicas(1, ms(50))).unwrap_err();
        assert!(refused.to_string().contains("0 of 1 replica"), "{refused}");
        // A caller that asks for no confirmation does not wait for one.
        rig.release(rig.acquire(&rig.lock("unconfirmed")).unwrap()).unwrap();
        replica.resume();
        eventually("given back", || is_free(primary, rig.lock("silent").record_key().unwrap()));
    }
}

#[test]
fn a_grant_counts_once_the_replicas_have_it() {
    let (primary, replica) = pair();
    exercise(&patient(&primary), &primary, &replica);
}

#[test]
fn a_grant_over_a_brought_connection_is_confirmed() {
    let (primary, replica) = pair();
    let redis = redis::Client::open(primary.url()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let multiplexed = runtime.block_on(redis.get_multiplexed_async_connection()).unwrap();
    exercise(&redis_1::from_async(multiplexed).unwrap(), &primary, &replica);
    let pool = redis_1::from_pool(move || redis.get_connection().map(Box::new)).unwrap();
    exercise(&pool, &primary, &replica);
}

#[dspinlock(client = client, key = ())]
fn annotated(client: &Client) -> Result<(), Error> {
    Ok(())
}

#[test]
fn confirmations_can_be_configured_for_a_client() {
    let (primary, _replica) = pair();
    let asks = |count| {
        let client = patient(&primary);
        client.with_defaults(Options::new().with_replicas(count, SOON))
    };
    annotated(&asks(1)).unwrap();
    let refused = annotated(&asks(2)).unwrap_err();
    assert!(refused.to_string().contains("1 of 2 replicas"), "{refused}");
    annotated(&asks(0)).unwrap();
}

#[test]
fn a_grant_without_replicas_is_refused() {
    for api in [Api::Blocking, Api::Async] {
        let rig = Rig::memory(api);
        let refused = rig.acquire(&rig.lock("memory").replicas(1, ms(50))).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
        let zero = rig.acquire(&rig.lock("memory").replicas(1, Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::Config, "{zero}");
    }
}
