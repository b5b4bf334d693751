//! Large values are sent ahead in pieces, and the release moves them to their place. These tests are about what may go
//! wrong on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use dspinlock::{Client, Codec, Config, dspinlock};
use dspinlock_testkit::{Direction, Proxy, Reply, Server, Verdict};
use dspinlock_tests::{Log, eventually};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::AppError;

const MS: Duration = Duration::from_millis(1);

fn through(server: &Server, edit: impl Fn(&mut Vec<Vec<u8>>) -> Verdict + Send + Sync + 'static) -> Proxy {
    Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), edit)
}

/// Texts without quotes: any prefix of one can be decoded.
struct Bare;

impl Codec for Bare {
    const NAME: &'static str = "bare";
    const FAITHFUL: bool = true;

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, impl std::error::Error> {
        serde_json::to_vec(value).map(|json| json[1..json.len() - 1].to_vec())
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, impl std::error::Error> {
        serde_json::from_slice(&[b"\"", bytes, b"\""].concat())
    }
}

#[dspinlock(client = client, key = (), cached(codec = Bare, schema = "bare"))]
fn bare(client: &Client, runs: &AtomicU32) -> Result<String, AppError> {
    runs.fetch_add(1, Ordering::SeqCst);
    Ok("x".repeat(700_000))
}

/// The first piece is sent twice, and one copy arrives after all other pieces, which it would cut off.
#[test]
fn a_late_copy_of_the_first_piece_does_not_damage_the_value() {
    let server = Server::start();
    let (copies, all_sent) = (AtomicU32::new(0), Arc::new(AtomicBool::new(false)));
    let proxy = through(&server, move |words| {
        let moves =
            words[0] == b"EVALSHA" && words.iter().any(|word| word.windows(5).any(|part| part == b":new:"));
        if words[0] == b"SET" && copies.fetch_add(1, Ordering::SeqCst) == 0 {
            while !all_sent.load(Ordering::SeqCst) {
                thread::sleep(MS);
            }
        } else if moves && !all_sent.swap(true, Ordering::SeqCst) {
            return Verdict::Late(300 * MS);
        }
        Verdict::Pass
    });
    let config = Config::from_url(&proxy.url()).unwrap().with_response_timeout(2_000 * MS);
    let (ours, theirs) = (Client::from_config(&config).unwrap(), Client::connect(&server.url()).unwrap());
    let runs = AtomicU32::new(0);
    for client in [&ours, &theirs] {
        assert_eq!(bare(client, &runs).unwrap().len(), 700_000);
    }
}

#[dspinlock(client = client, key = (), namespace = "moved", cached)]
fn moved(client: &Client) -> Result<String, AppError> {
    Ok("x".repeat(20_000))
}

/// A server that forbids or lacks one of the commands that move a value.
#[test]
fn a_value_that_can_not_be_moved_leaves_no_lock_behind() {
    for command in ["RENAME", "STRLEN"] {
        let server = Server::start_with(&["--rename-command", command, ""]);
        let client = Client::connect(&server.url()).unwrap();
        assert_eq!(moved(&client).unwrap().len(), 20_000);
        let record = client.lock(()).namespace("moved").inspect_blocking().unwrap();
        let held = record.filter(|record| record.state() == dspinlock::State::Blocked);
        assert_eq!(held, None, "{command}");
        assert_eq!(server.command(&["KEYS", "*:new:*"]), Reply::List(Vec::new()), "{command}");
    }
}

#[dspinlock(client = client, key = key, namespace = "read", cached)]
fn read(client: &Client, key: u32) -> Result<String, AppError> {
    Ok("x".repeat(700_000))
}

/// Callers that wait behind a value that breaks its connection read other values.
#[test]
fn a_value_that_breaks_its_connection_does_not_affect_other_values() {
    let server = Server::start();
    let writer = Client::connect(&server.url()).unwrap();
    (0..8).for_each(|key| drop(read(&writer, key).unwrap()));
    let value = |key: u32| {
        format!("{{{}}}:value", writer.lock(key).namespace("read").record_key().unwrap()).into_bytes()
    };
    // As many as are read at once.
    let broken = [value(0), value(1)];
    let (asked, others) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (is_asked, are_there) = (Arc::clone(&asked), Arc::clone(&others));
    let proxy = through(&server, move |words| {
        // A piece of one of these values other than the first.
        if words[0] == b"GETRANGE" && broken.contains(&words[1]) && words[2] != b"0" {
            is_asked.fetch_add(1, Ordering::SeqCst);
            while !are_there.load(Ordering::SeqCst) {
                thread::sleep(MS);
            }
            return Verdict::CutReply;
        }
        Verdict::Pass
    });
    let client = Client::connect(&proxy.url()).unwrap();
    thread::scope(|scope| {
        let spawn = |key| {
            let client = &client;
            scope.spawn(move || read(client, key))
        };
        let first = [0, 1].map(spawn);
        eventually("the first pieces", || asked.load(Ordering::SeqCst) == 2);
        let rest = [2, 3, 4, 5, 6, 7].map(spawn);
        // Long enough for some to wait behind them, which nothing announces.
        thread::sleep(50 * MS);
        others.store(true, Ordering::SeqCst);
        for broken in first {
            assert!(broken.join().unwrap().is_err());
        }
        for other in rest {
            assert_eq!(other.join().unwrap().unwrap().len(), 700_000);
        }
    });
}

#[dspinlock(client = client, key = (), namespace = "changing", cached)]
fn changing(client: &Client, value: &str) -> Result<String, AppError> {
    Ok(value.repeat(1_000_000))
}

/// Another value stands there once some pieces of the first one were read. It is made before and renamed in one step, so
/// that no caller finds the place empty, however long the test takes.
#[test]
fn a_value_that_changes_between_pieces_is_read_again() {
    const RENAME: &str =
        "redis.call('RENAME', KEYS[1], KEYS[3]); redis.call('RENAME', KEYS[2], KEYS[4]); return 'done'";
    for after in 0..3 {
        let server = Arc::new(Server::start());
        let writer = Client::connect(&server.url()).unwrap();
        let record = writer.lock(()).namespace("changing").record_key().unwrap().to_string();
        let value = format!("{{{record}}}:value");
        let rename = move |server: &Server, from: [&str; 2], to: [&str; 2]| {
            let reply = server.command(&["EVAL", RENAME, "4", from[0], from[1], to[0], to[1]]);
            assert_eq!(reply.text(), Some("done"), "{reply:?}");
        };
        changing(&writer, "two").unwrap();
        rename(&server, [&record, &value], ["aside", "aside:value"]);
        changing(&writer, "one").unwrap();

        let (changed, asked) = (Arc::clone(&server), AtomicU32::new(0));
        let proxy = through(&server, move |words| {
            let is_piece = words[0] == b"GETRANGE" && words[2] != b"0" && words[1].ends_with(b":value");
            if is_piece && asked.fetch_add(1, Ordering::SeqCst) == after {
                rename(&changed, ["aside", "aside:value"], [&record, &value]);
            }
            Verdict::Pass
        });
        let client = Client::connect(&proxy.url()).unwrap();
        let value = changing(&client, "three").unwrap();
        assert!(value == "two".repeat(1_000_000), "after {after}: {}…", &value[..9]);
    }
}

#[dspinlock(client = client, key = (), cached)]
fn secret(client: &Client) -> Result<String, AppError> {
    Ok(format!("{}{}", "x".repeat(262_144 - 120), "top-secret ".repeat(40_000)))
}

#[test]
fn a_refusal_that_quotes_the_value_is_logged_without_it() {
    let log = Log::of_this_process();
    let server = Server::start_with(&["--rename-command", "SETRANGE", ""]);
    secret(&Client::connect(&server.url()).unwrap()).unwrap();
    assert_eq!(log.count(&["did not take", "secret"]), 1, "{:#?}", log.all());
    assert_eq!(log.count(&["top-secret"]), 0);
}

#[dspinlock(client = client, key = (), namespace = "slow", cached)]
fn slow(client: &Client) -> Result<String, AppError> {
    Ok("x".repeat(8_000_000))
}

/// The server's time comes with the first reply, not with the last piece.
#[test]
fn a_value_that_takes_long_to_read_does_not_skew_the_clock_estimate() {
    let server = Server::start();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    slow(&Client::connect(&server.url()).unwrap()).unwrap();
    let config = Config::from_url(&proxy.url())
        .unwrap()
        .with_connect_timeout(500 * MS)
        .with_response_timeout(1_000 * MS);
    let client = Client::from_config(&config).unwrap();
    client.lock("before").acquire_blocking().unwrap().release_blocking().unwrap();
    proxy.throttle(Direction::Replies, Some(1_000_000));
    slow(&client).unwrap();
    proxy.throttle(Direction::Replies, None);
    let scripts = || server.calls("evalsha");
    let before = scripts();
    let guard = client.lock("after").acquire_blocking().unwrap();
    assert_eq!(scripts() - before, 1, "one that was late and one in time");
    guard.release_blocking().unwrap();
}
