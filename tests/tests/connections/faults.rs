//! A server that restarts, stops answering, or is gone behind a connection that looks alive.

use dspinlock::{Client, Config, DSpinlock, ErrorKind};
use dspinlock_testkit::{Direction, Proxy, Server};
use dspinlock_tests::{Api, Rig, block_on, eventually, ms, timed};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = ms(500);

/// One try on the old connection, one on a new one, and slack for a busy machine. 32 callers one after the other would take
/// far longer.
const BOUND: Duration = ms(4 * 500 + 6_000);

fn client(url: &str) -> Client {
    let config = Config::from_url(url).unwrap().with_connect_timeout(LIMIT).with_response_timeout(LIMIT);
    Client::from_config(&config).unwrap()
}

fn both_apis(client: &Client) -> [Rig; 2] {
    [Api::Blocking, Api::Async].map(|api| Rig { client: client.clone(), api })
}

fn turn(rig: &Rig) -> dspinlock::Result<()> {
    rig.release(rig.acquire(&rig.lock("turn"))?)
}

/// Makes more calls at once than the pool has connections, so that some use the shared connection.
fn fill_the_pool(client: &Client) {
    thread::scope(|scope| {
        for n in 0..24 {
            scope.spawn(move || client.lock(n).acquire_blocking().unwrap().release_blocking().unwrap());
        }
    });
}

#[test]
fn a_restart_between_two_calls_causes_no_error() {
    let server = Server::start();
    let client = client(&server.url());
    fill_the_pool(&client);
    for _ in 0..2 {
        for rig in both_apis(&client) {
            turn(&rig).unwrap();
            let guard = rig.acquire(&rig.lock("over the restart")).unwrap();
            server.restart();
            turn(&rig).expect("idle connections are replaced, and the scripts loaded again");
            rig.inspect(&rig.lock("turn")).unwrap();
            // Without persistence the record is gone, and the library has to notice.
            assert_eq!(rig.release(guard).unwrap_err().kind(), ErrorKind::Lost);
        }
    }
}

#[test]
fn a_server_that_stops_answering_is_an_error_in_time_until_it_answers_again() {
    let server = Server::start();
    let client = client(&server.url());
    for rig in both_apis(&client) {
        turn(&rig).unwrap();
        let before = connections(&server);
        server.pause();
        for _ in 0..2 {
            let (refused, took) = timed(|| turn(&rig).unwrap_err());
            assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
            assert!(refused.to_string().contains("no reply in time"), "{refused}");
            assert!(refused.is_retryable() && refused.key().is_some());
            assert!(took < BOUND, "{:?}: {took:?}", rig.api);
        }
        server.resume();
        // The circuit may have opened meanwhile. A probe closes it.
        eventually("it answers again", || turn(&rig).is_ok());
        assert!(connections(&server) > before + 1, "a connection that did not answer is replaced");
    }
}

fn connections(server: &Server) -> u64 {
    server.info("stats")["total_connections_received"].parse().unwrap()
}

/// They must not connect, or ask for the server's time, one after the other.
#[test]
fn many_callers_get_the_error_of_a_silent_server_in_time() {
    const CALLERS: u32 = 32;
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let by_tasks = |client: &Client| {
        runtime.block_on(async {
            let call = |lock: DSpinlock| tokio::spawn(async move { lock.acquire().await.unwrap_err() });
            let tasks: Vec<_> = (0..CALLERS).map(|n| call(client.lock(n))).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap().kind(), ErrorKind::Backend);
            }
        });
    };
    let by_threads = |client: &Client| {
        thread::scope(|scope| {
            for n in 0..CALLERS {
                scope.spawn(move || client.lock(n).acquire_blocking().unwrap_err());
            }
        });
    };
    let callers: [&dyn Fn(&Client); 2] = [&by_tasks, &by_threads];
    for call in callers {
        for used in [true, false] {
            let client = client(&server.url());
            if used {
                turn(&Rig { client: client.clone(), api: Api::Async }).unwrap();
            }
            server.pause();
            let ((), took) = timed(|| call(&client));
            server.resume();
            assert!(took < BOUND, "{took:?} for a client that is used: {used}");
        }
    }
}

/// The connection looks alive, but no reply comes over it. A new one works.
#[test]
fn a_half_open_connection_is_replaced() {
    let server = Server::start();
    for api in [Api::Blocking, Api::Async] {
        let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
        let rig = Rig { client: client(&proxy.url()), api };
        turn(&rig).unwrap();
        for direction in [Direction::Replies, Direction::Requests] {
            let before = proxy.accepted();
            proxy.blackhole(direction, true);
            thread::scope(|scope| {
                let caller = scope.spawn(|| rig.ping());
                eventually("a new connection", || proxy.accepted() > before);
                proxy.blackhole(direction, false);
                caller.join().unwrap().expect("the new connection works");
            });
            turn(&rig).unwrap();
            assert_eq!(proxy.accepted(), before + 1, "and is kept");
        }
    }
}

#[test]
fn connections_that_are_closed_are_opened_again() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let client = client(&proxy.url());
    fill_the_pool(&client);
    for rig in both_apis(&client) {
        for _ in 0..5 {
            let guard = rig.acquire(&rig.lock("cut")).unwrap();
            proxy.cut_all();
            rig.release(guard).unwrap();
            proxy.cut_all();
            rig.ping().unwrap();
        }
    }
}

#[test]
fn a_probe_says_what_is_wrong_and_recovers() {
    let server = Server::start();
    let client = client(&server.url());
    let place = format!("127.0.0.1:{}", server.port());
    for rig in both_apis(&client) {
        rig.ping().unwrap();
        server.kill();
        let (down, took) = timed(|| rig.ping().unwrap_err());
        assert_eq!((down.kind(), down.key()), (ErrorKind::Backend, None));
        assert!(down.to_string().contains(&place), "{down}");
        assert!(took < BOUND, "{took:?}");
        server.restart();
        rig.ping().unwrap();
    }
    Client::memory().ping_blocking().unwrap();
    block_on(Client::memory().ping()).unwrap();
}
