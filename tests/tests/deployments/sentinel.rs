//! A primary that sentinels watch: found, followed when another server takes over, and what that costs.

use dspinlock::{Client, DSpinlock, ErrorKind, Guard, Result, dspinlock};
use dspinlock_testkit::{Reply, Sentinels, Server};
use dspinlock_tests::{Log, block_on, eventually, ms, timed, within};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Longer than a failover, on a busy machine as well.
const LEASE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);
/// From the first word of a switch to the first grant.
const WORKING_WITHIN: Duration = Duration::from_secs(1);

/// Sentinels that have no time for each other do not agree on a failover: one test at a time causes some.
static FAILOVERS: Mutex<()> = Mutex::new(());

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// The ways to a lock.
#[derive(Clone, Copy, Debug)]
enum Door {
    Thread,
    /// An async caller outside of a Tokio runtime.
    Executor,
    /// One on a Tokio runtime of its own.
    Runtime,
}

const DOORS: [Door; 3] = [Door::Thread, Door::Executor, Door::Runtime];

fn acquire(door: Door, lock: &DSpinlock) -> Result<Guard> {
    match door {
        Door::Thread => lock.acquire_blocking(),
        Door::Executor => block_on(lock.acquire()),
        Door::Runtime => RUNTIME.block_on(lock.acquire()),
    }
}

fn release(door: Door, guard: Guard) {
    let released = match door {
        Door::Thread => guard.release_blocking(),
        Door::Executor => block_on(guard.release()),
        Door::Runtime => RUNTIME.block_on(guard.release()),
    };
    released.unwrap_or_else(|error| panic!("{door:?}: {error}"));
}

fn lock(client: &Client, name: &str, door: Door) -> DSpinlock {
    client.lock(format!("{name} by {door:?}")).lease(LEASE).wait(PATIENCE)
}

fn token(door: Door, lock: &DSpinlock) -> u64 {
    let guard = acquire(door, lock).unwrap_or_else(|error| panic!("{door:?}: {error}"));
    let token = guard.fencing_token();
    release(door, guard);
    token
}

/// A caller that waits for a lock: when it got it, and which token.
fn waiter(door: Door, client: &Client, name: &str) -> JoinHandle<(Instant, u64)> {
    let lock = lock(client, name, door);
    thread::spawn(move || {
        let guard = acquire(door, &lock).unwrap_or_else(|error| panic!("{door:?}: {error}"));
        let got = (Instant::now(), guard.fencing_token());
        release(door, guard);
        got
    })
}

/// Waits until somebody waits for the lock: a waiter asks again, and so leaves a mark.
fn await_waiter(server: &Server, lock: &DSpinlock) {
    let mark = format!("{{{}}}:wait", lock.record_key().unwrap());
    eventually("somebody waits", || server.command(&["EXISTS", &mark]).int() == Some(1));
}

#[test]
fn a_lock_that_the_replica_has_survives_the_death_of_the_primary() {
    let _alone = FAILOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let sentinels = Sentinels::start();
    let client = Client::connect(&sentinels.url()).unwrap();
    let guards = DOORS.map(|door| (door, acquire(door, &lock(&client, "survives", door)).unwrap()));
    let ends: Vec<_> = guards.iter().map(|(_, guard)| guard.held_for() + guard.remaining()).collect();
    sentinels.servers[1].await_writes_of(&sentinels.servers[0]);
    let mut heard = sentinels.listen();
    sentinels.servers[0].kill();
    let (switched, _) = heard.next();
    for (door, guard) in &guards {
        let rival = Client::connect(&sentinels.url()).unwrap();
        let contended = lock(&rival, "survives", *door).wait(ms(1)).acquire_blocking().unwrap_err();
        assert_eq!(contended.kind(), ErrorKind::Contended, "{contended}");
        // From another door than its own, and soon.
        let other = format!("{door:?} after the switch");
        let before = guard.fencing_token();
        assert!(token(*door, &lock(&client, &other, *door)) > before);
        assert!(guard.is_held(), "{door:?}");
    }
    assert!(switched.elapsed() < Duration::from_secs(20));
    for ((door, guard), before) in guards.into_iter().zip(ends) {
        within(LEASE, "a renewal at the new primary", || {
            assert!(guard.is_held(), "{door:?}: lost after {:?}", guard.held_for());
            guard.held_for() + guard.remaining() > before + ms(10)
        });
        release(door, guard);
    }
}

/// Cuts the replica off from its primary: what is written from now on does not survive.
fn cut_off(sentinels: &Sentinels) {
    let [primary, replica] = &*sentinels.servers else { panic!("a pair") };
    replica.pause();
    assert_eq!(primary.command(&["CLIENT", "KILL", "TYPE", "replica"]).int(), Some(1));
}

#[test]
fn a_lock_that_did_not_survive_is_reported_as_lost_and_its_waiter_has_it_within_a_second() {
    let _alone = FAILOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let sentinels = Sentinels::start();
    let (client, rival) =
        (Client::connect(&sentinels.url()).unwrap(), Client::connect(&sentinels.url()).unwrap());
    // Connections are open, and scripts are loaded.
    for door in DOORS {
        token(door, &lock(&client, "warm", door));
        token(door, &lock(&rival, "warm", door));
    }
    cut_off(&sentinels);
    let guards = DOORS.map(|door| (door, acquire(door, &lock(&client, "lost", door)).unwrap()));
    let waiters = DOORS.map(|door| waiter(door, &rival, "lost"));
    for door in DOORS {
        await_waiter(&sentinels.servers[0], &lock(&client, "lost", door));
    }
    let mut heard = sentinels.listen();
    let killed = Instant::now();
    sentinels.servers[0].kill();
    sentinels.servers[1].resume();
    let (switched, _) = heard.next();
    println!("{:?} from the death to the switch", switched - killed);
    for ((door, guard), waiter) in guards.into_iter().zip(waiters) {
        let (got, token) = waiter.join().unwrap();
        let took = got.saturating_duration_since(switched);
        println!("{door:?}: {took:?} from the switch to the grant");
        assert!(took < WORKING_WITHIN, "{door:?}: {took:?}");
        assert!(token > guard.fencing_token(), "{door:?}: {token} after {}", guard.fencing_token());
        assert!(guard.lost_blocking(LEASE), "{door:?}: told at the next renewal");
        assert!(!guard.is_held());
        let lost = guard.release_blocking().unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Lost, "{lost}");
    }
}

#[dspinlock(key = n, namespace = "copied over a failover", cached(local = "1m"), expire = "10m", client = client)]
fn copied(client: &Client, n: u32, value: u32) -> Result<u32> {
    Ok(value)
}

/// Takes turns until one is granted by this server: its token, and when that was. Until it is turned into a replica, the old
/// primary grants locks as well, which do not survive.
fn turn_at(server: &Server, door: Door, lock: &DSpinlock) -> (u64, Instant) {
    loop {
        let guard = acquire(door, lock).unwrap_or_else(|error| panic!("{door:?}: {error}"));
        let (token, got) = (guard.fencing_token(), Instant::now());
        let record = server.command(&["GET", guard.record_key()]);
        let is_here = record.text().is_some_and(|record| record.ends_with(",0"));
        match guard.release_blocking() {
            Ok(()) if is_here => return (token, got),
            Ok(()) => {}
            // The record did not survive, or the old primary answered when another one was the primary already.
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Lost | ErrorKind::Backend), "{error}"),
        }
    }
}

#[test]
fn a_failover_by_command_is_followed_and_the_old_primary_is_left_alone() {
    let _alone = FAILOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let sentinels = Sentinels::start();
    let client = Client::connect(&sentinels.url()).unwrap();
    let mut last = DOORS.map(|door| token(door, &lock(&client, "graceful", door)));
    for round in 0..2 {
        assert_eq!(copied(&client, round, 1).unwrap(), 1);
        let (before, after) = (sentinels.primary(), sentinels.replica());
        after.await_writes_of(before);
        let switched = sentinels.fail_over();
        for (door, last) in DOORS.into_iter().zip(&mut last) {
            let (next, got) = turn_at(after, door, &lock(&client, "graceful", door));
            let took = got.saturating_duration_since(switched);
            println!("{door:?}: {took:?} from the switch to a grant of the new primary");
            assert!(took < WORKING_WITHIN, "{door:?}: {took:?}");
            assert!(next > *last, "{door:?}: {next} after {last}");
            *last = next;
        }
        // What was cached is there, and a copy of this process is not served after a change at the new primary.
        assert_eq!(copied(&client, round, 2).unwrap(), 1);
        let record = client.lock(round).namespace("copied over a failover").record_key().unwrap().to_owned();
        assert_eq!(after.command(&["DEL", &record]).int(), Some(1));
        eventually("the copy has gone", || copied(&client, round, 3).unwrap() == 3);
        sentinels.await_agreement();
        // The connections to the old primary are closed: only the sentinels', the new primary's and this one are left.
        eventually("nobody is left", || clients(before).is_empty());
    }
}

/// The connections to a server or a sentinel, without those of sentinels, replicas and tests.
fn clients(server: &Server) -> Vec<String> {
    const OTHERS: [&str; 5] = ["name=sentinel-", "name=testkit", "flags=S", "flags=M", "cmd=client"];
    let list = server.command(&["CLIENT", "LIST"]);
    let lines = list.text().expect("a list").lines();
    let is_ours = |line: &&str| !OTHERS.iter().any(|other| line.contains(other));
    lines.filter(is_ours).map(ToOwned::to_owned).collect()
}

#[test]
fn a_client_that_goes_leaves_no_connection_and_no_task() {
    let sentinels = Sentinels::start();
    let client = Client::connect(&sentinels.url()).unwrap();
    for door in DOORS {
        token(door, &lock(&client, "leaves", door));
    }
    let all = || sentinels.servers.iter().chain(&sentinels.sentinels).flat_map(clients).collect::<Vec<_>>();
    eventually("one sentinel is listened to", || {
        let of_sentinels: Vec<_> = sentinels.sentinels.iter().flat_map(clients).collect();
        of_sentinels.len() == 1 && of_sentinels[0].contains(" sub=1 ")
    });
    client.shutdown_blocking(PATIENCE).unwrap();
    drop(client);
    eventually("all connections are closed", || all().is_empty());
}

#[test]
fn passwords_of_servers_and_of_sentinels_are_apart() {
    let sentinels =
        Sentinels::start_with(&["--requirepass", "caterpillar"], &["--requirepass", "correct horse"]);
    let url = sentinels.url().replacen("://", "://:caterpillar@", 1);
    let client = Client::connect(&format!("{url}?sentinel_password=correct%20horse")).unwrap();
    for door in DOORS {
        token(door, &lock(&client, "protected", door));
    }
    for (query, says) in [("", "NOAUTH"), ("?sentinel_password=battery-staple", "`sentinel_password`")] {
        let client = Client::connect(&format!("{url}{query}")).unwrap();
        for door in DOORS {
            let (refused, took) = timed(|| acquire(door, &lock(&client, "refused", door)).unwrap_err());
            assert!(refused.to_string().contains("`sentinel_password`"), "{refused}");
            assert!(refused.to_string().contains(says), "{refused}");
            assert!(!refused.is_retryable() && refused.kind() == ErrorKind::Config, "{refused:?}");
            assert!(took < PATIENCE / 2, "it is not asked again: {took:?}");
            let shown = format!("{refused} {refused:?} {client:?}");
            for secret in ["battery", "staple", "caterpillar", "horse"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
    let url = sentinels.url().replacen("://", "://:wrong@", 1);
    let client = Client::connect(&format!("{url}?sentinel_password=correct%20horse")).unwrap();
    let refused = client.lock("refused").acquire_blocking().unwrap_err();
    assert!(refused.to_string().contains("the user or the password is wrong"), "{refused}");
    assert!(!refused.is_retryable());
}

/// Something that answers as a sentinel which names this port, whatever it is asked.
fn liar(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || lie(&stream.unwrap(), port));
        }
    });
    own
}

fn lie(mut stream: &TcpStream, port: u16) {
    let mut lines = BufReader::new(stream).lines().map_while(std::io::Result::ok);
    // `*2`, and for each word `$4` and the word.
    while let Some(number) = lines.next().and_then(|line| line.strip_prefix('*')?.parse::<usize>().ok()) {
        let words: Vec<_> = lines.by_ref().take(2 * number).skip(1).step_by(2).collect();
        let reply = match &*words[0] {
            "SENTINEL" => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.to_string().len()),
            "CLIENT" => "+OK\r\n".to_owned(),
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn url(ports: &[u16], name: &str) -> String {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis-sentinel://{}/{name}", hosts.join(","))
}

#[test]
fn sentinels_that_are_dead_silent_or_behind_do_not_matter_while_one_is_right() {
    let sentinels = Sentinels::start();
    let right = sentinels.sentinels[2].port();
    let dead = sentinels.sentinels[0].port();
    sentinels.sentinels[0].kill();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let behind = liar(sentinels.servers[1].port());
    for ports in [&[dead, right][..], &[silent.local_addr().unwrap().port(), right], &[behind, right]] {
        let client = Client::connect(&url(ports, Sentinels::NAME)).unwrap();
        for door in DOORS {
            let (_, took) = timed(|| token(door, &lock(&client, "found", door)));
            assert!(took < Duration::from_secs(10), "{ports:?}: {took:?}");
        }
    }
    // Only the one that is behind, for as long as the caller waits.
    let client = Client::connect(&url(&[behind], Sentinels::NAME)).unwrap();
    for door in DOORS {
        let refused = acquire(door, &lock(&client, "behind", door).wait(ms(300))).unwrap_err();
        let replica = sentinels.servers[1].port();
        let says =
            format!("the sentinel at 127.0.0.1:{behind} announces 127.0.0.1:{replica}, which is a replica");
        assert!(refused.to_string().contains(&says), "{refused}");
        assert!(refused.is_retryable() && refused.waited() >= ms(300), "{refused:?}");
    }
}

#[test]
fn what_is_wrong_with_the_sentinels_is_said_in_words() {
    let sentinels = Sentinels::start();
    let ports = [0, 1, 2].map(|number| sentinels.sentinels[number].port());
    let [a, b, c] = ports;
    let client = Client::connect(&url(&ports, "other")).unwrap();
    for door in DOORS {
        let refused = acquire(door, &lock(&client, "words", door)).unwrap_err();
        let text = refused.to_string();
        let says = "know no primary named `other`";
        assert!(text.contains(says) && !refused.is_retryable(), "{refused}");
        for port in ports {
            assert!(text.contains(&format!("127.0.0.1:{port}")), "{refused}");
        }
    }
    // A server that is no sentinel.
    let client = Client::connect(&url(&[sentinels.servers[0].port()], Sentinels::NAME)).unwrap();
    let refused = client.lock("words").acquire_blocking().unwrap_err();
    assert!(refused.to_string().contains("unknown command"), "{refused}");
    assert!(!refused.is_retryable());

    for sentinel in &sentinels.sentinels {
        sentinel.kill();
    }
    let client = Client::connect(&url(&ports, Sentinels::NAME)).unwrap();
    for door in DOORS {
        let refused = acquire(door, &lock(&client, "words", door)).unwrap_err();
        let text = refused.to_string().to_lowercase();
        for port in [a, b, c] {
            assert!(text.contains(&format!("127.0.0.1:{port}: connection refused")), "{refused}");
        }
        assert!(refused.is_retryable() && text.contains("no sentinel tells where"), "{refused}");
    }
    // Three that are silent cost no more than the time for a connection.
    let silent = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = silent.each_ref().map(|silent| silent.local_addr().unwrap().port());
    let client = Client::connect(&url(&ports, Sentinels::NAME)).unwrap();
    for door in DOORS {
        let (refused, took) = timed(|| acquire(door, &lock(&client, "silent", door)).unwrap_err());
        assert!(
            refused.to_string().contains(&format!("127.0.0.1:{}: no reply in time", ports[2])),
            "{refused}"
        );
        assert!(took < Duration::from_secs(5), "{door:?}: {took:?}");
    }
}

#[test]
fn a_switch_that_no_sentinel_could_tell_is_found_when_one_is_back() {
    let _alone = FAILOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::of_this_process();
    let sentinels = Sentinels::start();
    let client = Client::connect(&sentinels.url()).unwrap();
    let lock = client.lock("missed").wait(PATIENCE);
    let before = token(Door::Thread, &lock);
    let told = format!("now=127.0.0.1:{}", sentinels.servers[1].port());
    // The one that is listened to goes, and the next one is listened to.
    let heard =
        sentinels.sentinels.iter().find(|sentinel| !clients(sentinel).is_empty()).expect("one is heard");
    heard.kill();
    eventually("another one is heard", || {
        let others = sentinels.sentinels.iter().filter(|sentinel| sentinel.pid().is_some());
        others.flat_map(clients).any(|client| client.contains(" sub=1 "))
    });
    sentinels.fail_over();
    log.wait_for(&["another server is the primary", &told]);
    assert!(token(Door::Thread, &lock) > before);
    assert_eq!(sentinels.servers[0].command(&["PING"]), Reply::Status("PONG".to_owned()));
}

/// Each try asks a sentinel over a connection of its own.
#[test]
fn callers_that_wait_ask_calmly_while_there_is_no_primary() {
    let sentinels = Sentinels::start();
    let client = Client::connect(&sentinels.url()).unwrap();
    let held = acquire(Door::Thread, &lock(&client, "calm", Door::Thread)).unwrap();
    let waiter = {
        let lock = lock(&client, "calm", Door::Thread).wait(Duration::from_secs(3));
        thread::spawn(move || lock.acquire_blocking().unwrap_err())
    };
    await_waiter(&sentinels.servers[0], &lock(&client, "calm", Door::Thread));
    let connections =
        |sentinel: &Server| -> u32 { sentinel.info("stats")["total_connections_received"].parse().unwrap() };
    let asked = || sentinels.sentinels.iter().map(connections).sum::<u32>();
    let before = asked();
    for server in sentinels.servers.iter().rev() {
        server.kill();
    }
    assert_eq!(waiter.join().unwrap().kind(), ErrorKind::Backend);
    let times = asked() - before;
    assert!(times < 200, "{times} connections in three seconds");
    drop(held);
}

/// One that names an old primary which goes on, as sentinels do that are cut off together with it.
#[test]
fn the_sentinel_that_told_of_a_switch_is_asked_next() {
    let _alone = FAILOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::of_this_process();
    let sentinels = Sentinels::start();
    let [old, new] = &*sentinels.servers else { panic!("a pair") };
    let mut ports = vec![liar(old.port())];
    ports.extend(sentinels.sentinels.iter().map(Server::port));
    let client = Client::connect(&url(&ports, Sentinels::NAME)).unwrap();
    let lock = client.lock("told").wait(PATIENCE);
    let before = token(Door::Thread, &lock);
    let hears = || sentinels.sentinels.iter().flat_map(clients).any(|client| client.contains(" sub=1 "));
    eventually("a sentinel is listened to", hears);
    assert!(old.command(&["ACL", "SETUSER", "default", "-slaveof", "-replicaof"]).is_ok());
    sentinels.fail_over();
    log.wait_for(&["another server is the primary", &format!("now=127.0.0.1:{}", new.port())]);
    let guard = acquire(Door::Thread, &lock).unwrap();
    assert!(guard.fencing_token() > before);
    assert_eq!(new.command(&["EXISTS", guard.record_key()]).int(), Some(1));
    release(Door::Thread, guard);
}
