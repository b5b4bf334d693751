//! Replies that are lost or late: the server has done what was asked, and the caller does not know.

use dspinlock::{Client, Config, ErrorKind, Scheme, State, Turn};
use dspinlock_testkit::{Direction, Proxy, Reply, Server, Verdict};
use dspinlock_tests::{Api, Log, Rig, block_on, fence_key, ms, timed, within};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A busy machine answers within it.
const LIMIT: Duration = ms(600);

/// A server behind a faulty proxy, and a client with short time limits.
struct Wire {
    server: Server,
    proxy: Proxy,
    rig: Rig,
}

impl Wire {
    fn new(api: Api) -> Self {
        let server = Server::start();
        let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
        let config =
            Config::from_url(&proxy.url()).unwrap().with_connect_timeout(LIMIT).with_response_timeout(LIMIT);
        let rig = Rig { client: Client::from_config(&config).unwrap(), api };
        let wire = Self { server, proxy, rig };
        // Connects and loads all scripts.
        let lock = wire.rig.lock("first");
        wire.rig.release(wire.rig.acquire(&lock).unwrap()).unwrap();
        wire.rig.abandon(wire.rig.acquire(&lock).unwrap()).unwrap();
        wire
    }

    fn both() -> [Self; 2] {
        [Api::Blocking, Api::Async].map(Self::new)
    }

    /// The state of a key, read past the proxy.
    fn state(&self, name: &str) -> Option<State> {
        let direct = Client::connect(&self.server.url()).unwrap();
        direct.lock(self.rig.key(name)).inspect_blocking().unwrap().map(|seen| seen.state())
    }
}

#[test]
fn an_acquire_whose_reply_is_lost_is_granted_once() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("lost grant");
        wire.proxy.cut_reply_to(b"EVALSHA");
        let guard = wire.rig.acquire(&lock).expect("the same turn is granted again");
        assert_eq!(wire.proxy.cuts(), 1);
        let fence = wire.server.command(&["GET", &fence_key("dspinlock", guard.record_key())]);
        assert_eq!(fence.text(), Some(&*guard.fencing_token().to_string()), "by the last token");
        wire.rig.release(guard).unwrap();
    }
}

/// Row "release: already COMPUTED" of py-dspinlock: nothing happens.
#[test]
fn a_release_whose_reply_is_lost_is_a_release() {
    for wire in Wire::both() {
        let computed = wire.rig.acquire(&wire.rig.lock("computed")).unwrap();
        wire.proxy.cut_reply_to(b"EVALSHA");
        wire.rig.release(computed).unwrap();
        assert_eq!((wire.state("computed"), wire.proxy.cuts()), (Some(State::Computed), 1));

        let removed = wire.rig.acquire(&wire.rig.lock("removed").expire(None)).unwrap();
        wire.proxy.cut_reply_to(b"EVALSHA");
        wire.rig.release(removed).expect("it is unknown whether the first request removed it");
        assert_eq!((wire.state("removed"), wire.proxy.cuts()), (None, 2));
    }
}

#[test]
fn a_renewal_whose_reply_is_lost_loses_no_lock() {
    for wire in Wire::both() {
        let guard = wire.rig.acquire(&wire.rig.lock("renewed").lease(ms(1_800))).unwrap();
        wire.proxy.cut_reply_to(b"EVALSHA");
        while guard.held_for() < ms(4_000) {
            assert!(guard.is_held(), "lost after {:?}", guard.held_for());
            thread::sleep(ms(5));
        }
        assert_eq!(wire.proxy.cuts(), 1);
        wire.rig.release(guard).unwrap();
    }
}

/// The server grants the lock, and no reply comes through, not even to the repeat.
#[test]
fn a_grant_whose_replies_are_all_lost_is_taken_back() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("unknown").lease(Duration::from_secs(600));
        let sets = || wire.server.calls("set");
        let before = sets();
        wire.proxy.blackhole(Direction::Replies, true);
        let (refused, took) = timed(|| wire.rig.acquire(&lock).unwrap_err());
        assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
        assert!(refused.key().is_some());
        assert!(took < Duration::from_secs(20), "{took:?}");
        // By now it may be taken back, since requests come through.
        assert!(sets() > before, "the server has not done it");
        wire.proxy.blackhole(Direction::Replies, false);
        within(Duration::from_secs(20), "taken back", || wire.state("unknown").is_none());
    }
}

/// The request arrives after its caller has given up and has taken it back. It is refused as late.
#[test]
fn a_request_that_comes_too_late_is_refused() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("late").lease(Duration::from_secs(600));
        wire.proxy.blackhole(Direction::Requests, true);
        let refused = wire.rig.acquire(&lock).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend);
        let sets = |wire: &Wire| wire.server.calls("set");
        let before = sets(&wire);
        // A request may take two connects and two replies: `not_after` is four limits after its start.
        thread::sleep(LIMIT * 5);
        let scripts = wire.server.calls("evalsha");
        wire.proxy.blackhole(Direction::Requests, false);
        within(Duration::from_secs(20), "the request arrives", || wire.server.calls("evalsha") > scripts);
        wire.rig.ping().unwrap();
        assert_eq!(sets(&wire), before, "nothing was ever written");
        assert_eq!(wire.state("late"), None);
    }
}

/// A grant that arrives after its lease is no grant, and the attempts must end.
#[test]
fn a_lease_shorter_than_the_round_trip_is_an_error() {
    for wire in Wire::both() {
        wire.proxy.delay(Direction::Replies, ms(40));
        let lock = wire.rig.lock("short").lease(ms(20)).sleep(ms(10)).wait(ms(300));
        let (refused, took) = timed(|| wire.rig.acquire(&lock).unwrap_err());
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
        assert!(refused.to_string().contains("lease"), "{refused}");
        within(Duration::from_secs(20), "free", || wire.state("short").is_none());
    }
}

/// The first request arrives after the turn that its repeat was granted, and takes the lock although its caller has gone.
#[test]
fn a_repeated_request_that_comes_after_its_turn_is_taken_back() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("twice").expire(None).lease(Duration::from_secs(600));
        let scripts = || wire.server.calls("evalsha");
        let is_free = || wire.server.command(&["GET", lock.record_key().unwrap()]) == Reply::Nil;
        // It depends on timing whether the first request is still on its way.
        let came_late = (0..10).any(|_| {
            let before = scripts();
            wire.proxy.delay(Direction::Requests, LIMIT * 3);
            let guard = thread::scope(|scope| {
                let caller = scope.spawn(|| wire.rig.acquire(&lock));
                thread::sleep(LIMIT / 2);
                wire.proxy.delay(Direction::Requests, Duration::ZERO);
                caller.join().unwrap()
            });
            let Ok(guard) = guard else { return false };
            wire.rig.release(guard).unwrap();
            let late = scripts() == before + 2;
            late && {
                within(Duration::from_secs(20), "the first request", || scripts() > before + 2);
                true
            }
        });
        assert!(came_late, "no request was late");
        within(Duration::from_secs(20), "free once more", is_free);
    }
}

/// Both replies to the release are lost and the next try finds nothing. That is no reason for a warning.
#[test]
fn an_unconfirmed_release_that_took_effect_is_not_logged_as_a_failure() {
    let log = Log::of_this_process();
    for wire in Wire::both() {
        let lock = wire.rig.lock("done unconfirmed").expire(None).lease(Duration::from_secs(600));
        let guard = wire.rig.acquire(&lock).unwrap();
        wire.proxy.blackhole(Direction::Replies, true);
        assert_eq!(wire.rig.release(guard).unwrap_err().kind(), ErrorKind::Backend);
        assert_eq!(wire.state("done unconfirmed"), None);
        wire.proxy.blackhole(Direction::Replies, false);
        wire.rig.client.shutdown_blocking(Duration::from_secs(60)).unwrap();
        let key = wire.rig.key("done unconfirmed");
        assert_eq!(log.count(&["could not give the lock back", &key]), 0, "{:#?}", log.all());
    }
}

/// The first copy of the release has taken effect. The second comes to a server that has lost its scripts meanwhile.
#[test]
fn a_repeated_release_that_loads_its_script_counts_as_a_repeat() {
    for by_async in [false, true] {
        let server = Arc::new(Server::start());
        let (inside, copies) = (Arc::clone(&server), Arc::new(AtomicUsize::new(usize::MAX)));
        let seen = Arc::clone(&copies);
        let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |words| {
            if !words[0].eq_ignore_ascii_case(b"EVALSHA") || seen.load(Ordering::SeqCst) == usize::MAX {
                return Verdict::Pass;
            }
            match seen.fetch_add(1, Ordering::SeqCst) {
                0 => return Verdict::CutReply,
                1 => drop(inside.command(&["SCRIPT", "FLUSH"])),
                _ => {}
            }
            Verdict::Pass
        });
        let client = Client::connect(&proxy.url()).unwrap();
        let lock = client.lock("flushed").expire(None);
        for _ in 0..2 {
            lock.acquire_blocking().unwrap().release_blocking().unwrap();
        }
        let guard = lock.acquire_blocking().unwrap();
        copies.store(0, Ordering::SeqCst);
        let released = if by_async { block_on(guard.release()) } else { guard.release_blocking() };
        released.expect("it was held to the end");
    }
}

/// Names a turn by its id only, and records the ids.
#[derive(Debug)]
struct Ids(Arc<Mutex<Vec<String>>>);

impl Scheme for Ids {
    fn tag(&self, turn: &Turn) -> String {
        self.0.lock().unwrap().push(turn.id.clone());
        format!("{}@ids,{}", turn.id, "2026-01-31T23:59:59.000123+00:00")
    }
}

/// Whatever else a scheme puts into a tag: taking back one request must not release the lock that the next one was granted.
#[test]
fn each_request_of_a_caller_has_an_id_of_its_own() {
    for wire in Wire::both() {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let lock = wire.rig.lock("next request").scheme(Ids(Arc::clone(&ids))).wait(Duration::from_secs(60));
        let first = wire.rig.acquire(&lock).unwrap();
        let second = thread::scope(|scope| {
            let waiter = scope.spawn(|| wire.rig.acquire(&lock).unwrap());
            within(Duration::from_secs(5), "a second request", || ids.lock().unwrap().len() >= 3);
            drop(first);
            waiter.join().unwrap()
        });
        wire.rig.release(second).unwrap();
        let mut ids = ids.lock().unwrap().clone();
        let asked = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), asked, "two requests of one id");
    }
}

/// The first copy of a repeated request is taken back while the release of its turn is delayed on another connection. The
/// holder had the lock, so its release must take effect.
#[test]
fn a_take_back_does_not_overtake_the_release_of_its_turn() {
    for handed_on in [false, true] {
        let server = Server::start();
        let faults = Arc::new(Mutex::new(Fault::None));
        let (seen, taken_back) = (Arc::clone(&faults), Arc::new(AtomicUsize::new(0)));
        let counts = Arc::clone(&taken_back);
        let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |words| {
            match words.len() {
                4.. if words[0].eq_ignore_ascii_case(b"EVALSHA") => {}
                _ => return Verdict::Pass,
            }
            let keys = usize::from(words[2][0] - b'0');
            let mut fault = seen.lock().unwrap();
            // A request for the lock begins with a record, a release with a tag, and an abandon is the tag alone.
            match (&words[3 + keys..], *fault) {
                ([record, ..], Fault::CutGrant) if record.ends_with(b",0") => {
                    *fault = Fault::None;
                    Verdict::CutReply
                }
                ([_tag, _process, _expire], Fault::HoldRelease) => Verdict::Late(HELD),
                ([_tag], _) => {
                    counts.fetch_add(1, Ordering::SeqCst);
                    Verdict::Pass
                }
                _ => Verdict::Pass,
            }
        });
        let config = Config::from_url(&proxy.url()).unwrap();
        let config = config.with_connect_timeout(ms(100)).with_response_timeout(ms(600));
        let client = Client::from_config(&config).unwrap();
        // With a namespace, since a bare key is not handed on.
        let lock = client.lock("overtaken").namespace("take-back").wait(Duration::from_secs(60));
        lock.acquire_blocking().unwrap().release_blocking().unwrap();

        let guard = if handed_on {
            let first = lock.acquire_blocking().unwrap();
            let (entered, guards) = channel();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| entered.clone().send(lock.acquire_blocking().unwrap()).unwrap());
                }
                // Until both wait in the line, so that the first reserves a token for the second.
                thread::sleep(ms(50));
                *faults.lock().unwrap() = Fault::CutGrant;
                first.release_blocking().unwrap();
                guards.recv().unwrap().release_blocking().unwrap();
                guards.recv().unwrap()
            })
        } else {
            *faults.lock().unwrap() = Fault::CutGrant;
            lock.acquire_blocking().unwrap()
        };
        assert_eq!(proxy.cuts(), 1);
        let before = taken_back.load(Ordering::SeqCst);
        // A request may take two connects and two replies. Then it is taken back.
        let refused_from = ms(2 * (100 + 600));
        thread::sleep(refused_from.saturating_sub(guard.held_for() + ms(200)));
        *faults.lock().unwrap() = Fault::HoldRelease;
        guard.release_blocking().expect("held to the end");
        let state = lock.inspect_blocking().unwrap().map(|seen| seen.state());
        assert_eq!(state, Some(State::Computed), "what was done is remembered");
        within(Duration::from_secs(5), "taken back", || taken_back.load(Ordering::SeqCst) > before);
    }
}

/// How long a release is delayed: until after the take-back, and within the time for its reply.
const HELD: Duration = ms(450);

#[derive(Clone, Copy)]
enum Fault {
    None,
    CutGrant,
    HoldRelease,
}
