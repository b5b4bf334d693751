//! The faults of the proxy, tried on a real server.

use std::time::{Duration, Instant};

use dspinlock_testkit::{Connection, Direction, Proxy, Server, Verdict};

fn pair() -> (Server, Proxy) {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    (server, proxy)
}

fn open(proxy: &Proxy) -> Connection {
    Connection::open(proxy.address()).unwrap()
}

#[test]
fn passes_everything_without_faults() {
    let (server, proxy) = pair();
    let big = "x".repeat(3_000_000);
    let mut client = open(&proxy);
    assert!(client.command(&["SET", "k", &big]).unwrap().is_ok());
    assert_eq!(client.command(&["GET", "k"]).unwrap().text(), Some(big.as_str()));
    assert_eq!(server.command(&["STRLEN", "k"]).int(), Some(3_000_000));
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn delays_each_way() {
    let (_server, proxy) = pair();
    let mut client = open(&proxy);
    proxy.delay(Direction::Requests, Duration::from_millis(300));
    proxy.delay(Direction::Replies, Duration::from_millis(200));
    let start = Instant::now();
    // Twenty requests at once take about the time of one: a delay is no throttle.
    for _ in 0..20 {
        client.send(&["PING"]).unwrap();
    }
    for _ in 0..20 {
        client.receive().unwrap();
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn holds_one_direction_and_delivers_later() {
    let (server, proxy) = pair();
    let mut client = open(&proxy);
    client.set_patience(Some(Duration::from_millis(100))).unwrap();

    proxy.blackhole(Direction::Replies, true);
    assert!(client.command(&["INCR", "n"]).is_err());
    assert_eq!(server.command(&["GET", "n"]).text(), Some("1"));
    proxy.blackhole(Direction::Replies, false);
    client.set_patience(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.receive().unwrap().int(), Some(1));

    proxy.blackhole(Direction::Requests, true);
    client.set_patience(Some(Duration::from_millis(100))).unwrap();
    assert!(client.command(&["INCR", "n"]).is_err());
    assert_eq!(server.command(&["GET", "n"]).text(), Some("1"));
    proxy.blackhole(Direction::Requests, false);
    client.set_patience(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.receive().unwrap().int(), Some(2));
}

#[test]
fn cuts_the_reply_to_one_request_after_it_was_done() {
    let (server, proxy) = pair();
    let (mut one, mut two) = (open(&proxy), open(&proxy));
    proxy.cut_reply_to(b"INCR");
    assert_eq!(one.command(&["GET", "n"]).unwrap(), dspinlock_testkit::Reply::Nil);
    assert_eq!(proxy.cuts(), 0);
    assert!(one.command(&["INCR", "n"]).is_err());
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(server.command(&["GET", "n"]).text(), Some("1"));
    assert_eq!(two.command(&["INCR", "n"]).unwrap().int(), Some(2));
}

#[test]
fn refuses_new_connections_and_cuts_old_ones() {
    let (_server, proxy) = pair();
    let mut old = open(&proxy);
    assert_eq!(old.command(&["PING"]).unwrap().text(), Some("PONG"));
    proxy.refuse(true);
    assert!(open(&proxy).command(&["PING"]).is_err());
    assert_eq!(old.command(&["PING"]).unwrap().text(), Some("PONG"));
    proxy.cut_all();
    assert!(old.command(&["PING"]).is_err());
    proxy.refuse(false);
    assert_eq!(open(&proxy).command(&["PING"]).unwrap().text(), Some("PONG"));
}

#[test]
fn an_editor_rewrites_cuts_delays_and_doubles() {
    let server = Server::start();
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), |words| match &*words[0] {
        b"OLD" => {
            words[0] = b"INCR".to_vec();
            Verdict::Pass
        }
        b"INCR" => Verdict::Twice,
        b"DECR" => Verdict::CutReply,
        b"SET" => Verdict::Late(Duration::from_millis(150)),
        _ => Verdict::Pass,
    });
    let mut client = open(&proxy);
    assert_eq!(client.command(&["OLD", "n"]).unwrap().int(), Some(1));
    assert_eq!(client.command(&["INCR", "n"]).unwrap().int(), Some(3));
    assert!(client.command(&["DECR", "n"]).is_err());
    assert_eq!(server.command(&["GET", "n"]).text(), Some("2"));

    let mut client = open(&proxy);
    client.set_patience(Some(Duration::from_millis(10))).unwrap();
    assert!(client.command(&["SET", "late", "yes"]).is_err());
    drop(client);
    assert_eq!(server.command(&["GET", "late"]).text(), None);
    let given_up = Instant::now() + Duration::from_secs(10);
    while server.command(&["GET", "late"]).text() != Some("yes") {
        assert!(Instant::now() < given_up, "what is late was never delivered");
    }
}

#[test]
fn a_throttle_lets_little_through() {
    let (_server, proxy) = pair();
    let mut client = open(&proxy);
    proxy.throttle(Direction::Requests, Some(20_000));
    let start = Instant::now();
    client.command(&["ECHO", &"x".repeat(2_000)]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100));
    proxy.throttle(Direction::Requests, None);
    client.command(&["ECHO", &"x".repeat(200_000)]).unwrap();
}

#[test]
fn new_connections_go_to_the_new_target() {
    let (first, proxy) = pair();
    let second = Server::start();
    let mut standing = open(&proxy);
    standing.command(&["SET", "n", "1"]).unwrap();
    proxy.retarget(([127, 0, 0, 1], second.port()).into());
    open(&proxy).command(&["SET", "n", "2"]).unwrap();
    standing.command(&["INCR", "n"]).unwrap();
    assert_eq!(first.command(&["GET", "n"]).text(), Some("2"));
    assert_eq!(second.command(&["GET", "n"]).text(), Some("2"));
}
