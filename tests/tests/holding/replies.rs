//! Replies that are lost or late: the server has done what was asked, and nobody knows.

use dspinlock::{Client, Config, ErrorKind, State};
use dspinlock_testkit::{Direction, Proxy, Reply, Server};
use dspinlock_tests::{Door, Rig, ms, timed, within};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = ms(300);

/// A server behind a wire that can go wrong, and an impatient client.
struct Wire {
    server: Server,
    proxy: Proxy,
    rig: Rig,
}

impl Wire {
    fn new(door: Door) -> Self {
        let server = Server::start();
        let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
        let config = Config::from_url(&proxy.url()).unwrap().connect_timeout(LIMIT).response_timeout(LIMIT);
        let rig = Rig { client: Client::from_config(&config).unwrap(), door };
        let wire = Self { server, proxy, rig };
        // Connected, and all scripts known.
        let lock = wire.rig.lock("first");
        wire.rig.release(wire.rig.acquire(&lock).unwrap()).unwrap();
        wire.rig.abandon(wire.rig.acquire(&lock).unwrap()).unwrap();
        wire
    }

    fn both() -> [Self; 2] {
        [Door::Blocking, Door::Async].map(Self::new)
    }

    /// What stands at a key, as the server itself says.
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
        let seen = wire.rig.inspect(&lock).unwrap().unwrap();
        assert_eq!(seen.fencing_token(), Some(guard.fencing_token()), "with the same token");
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
        wire.rig.release(removed).expect("nobody can tell whether the first request removed it");
        assert_eq!((wire.state("removed"), wire.proxy.cuts()), (None, 2));
    }
}

#[test]
fn a_renewal_whose_reply_is_lost_costs_nothing() {
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

/// The grant is made, and no reply comes through, not even to the repeat.
#[test]
fn a_grant_that_nobody_learns_of_is_taken_back() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("unknown").lease(Duration::from_secs(600));
        let sets = || wire.server.command_stats().get("set").copied().unwrap_or(0);
        let before = sets();
        wire.proxy.blackhole(Direction::Replies, true);
        let (refused, took) = timed(|| wire.rig.acquire(&lock).unwrap_err());
        assert_eq!(refused.kind(), ErrorKind::Backend, "{refused}");
        assert!(refused.key().is_some());
        assert!(took < Duration::from_secs(20), "{took:?}");
        // It may be taken back by now: requests come through.
        assert!(sets() > before, "the server has not done it");
        wire.proxy.blackhole(Direction::Replies, false);
        within(Duration::from_secs(20), "taken back", || wire.state("unknown").is_none());
    }
}

/// The request comes through when its caller has long gone and has already taken it back: it is refused as late.
#[test]
fn a_request_that_comes_too_late_is_refused() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("late").lease(Duration::from_secs(600));
        wire.proxy.blackhole(Direction::Requests, true);
        let refused = wire.rig.acquire(&lock).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Backend);
        let sets = |wire: &Wire| wire.server.command_stats()["set"];
        let before = sets(&wire);
        // Two connects and two replies are what a request may take: `not_after` lies four limits after its start.
        thread::sleep(LIMIT * 5);
        let scripts = wire.server.command_stats()["evalsha"];
        wire.proxy.blackhole(Direction::Requests, false);
        within(Duration::from_secs(20), "the request arrives", || {
            wire.server.command_stats()["evalsha"] > scripts
        });
        wire.rig.ping().unwrap();
        assert_eq!(sets(&wire), before, "nothing was ever written");
        assert_eq!(wire.state("late"), None);
    }
}

/// A grant that takes longer than it lasts is no grant, and asking again and again must end.
#[test]
fn a_lease_shorter_than_the_way_to_the_server_is_an_error() {
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

/// The first request is delayed until the turn that its repeat was granted is over, and takes the lock for nobody.
#[test]
fn a_repeated_request_that_comes_after_its_turn_is_taken_back() {
    for wire in Wire::both() {
        let lock = wire.rig.lock("twice").expire(None).lease(Duration::from_secs(600));
        let scripts = || wire.server.command_stats()["evalsha"];
        let is_free = || wire.server.command(&["GET", lock.record_key().unwrap()]) == Reply::Nil;
        // Whether the first request is still on its way is a matter of time.
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
