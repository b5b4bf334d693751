//! Passwords are in no message, even where a server repeats what it was sent.

use crate::{APIS, PATIENCE, refused};
use dspinlock::{Client, Config, ErrorKind, redis_1};
use dspinlock_testkit::Server;
use dspinlock_tests::{Log, block_on, ms};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const PASSWORD: &str = "hunter2 & \"zebra\"-fish";

/// The password in a URL.
const ENCODED: &str = "hunter2%20%26%20%22zebra%22-fish";

/// No message may contain these: the password, as a server quotes it, as a URL has it, or cut off.
fn assert_clean(text: &str) {
    for part in ["hunter2", "zebra", "fish"] {
        assert!(!text.contains(part), "{part} in {text}");
    }
}

/// How a server repeats what it refuses.
type Echo = fn(&[String]) -> String;

/// A server that refuses every command, and repeats it.
fn echoing(echo: Echo) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || refuse_all(stream.unwrap(), echo));
        }
    });
    port
}

fn refuse_all(stream: TcpStream, echo: Echo) {
    let mut replies = stream.try_clone().unwrap();
    let mut requests = BufReader::new(stream);
    while let Some(words) = request(&mut requests) {
        // A client that is gone does not matter.
        let _ = replies.write_all(format!("-{}\r\n", echo(&words)).as_bytes());
    }
}

/// The words of the next command.
pub(super) fn request(from: &mut impl BufRead) -> Option<Vec<String>> {
    (0..number(from)?)
        .map(|_| {
            let mut word = vec![0; number(from)? + 2];
            from.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            Some(String::from_utf8_lossy(&word).into_owned())
        })
        .collect()
}

/// The number in a line such as `*3` or `$11`.
fn number(from: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

const ECHOES: [Echo; 6] = [
    |words| format!("ERR unknown command '{}', with args beginning with: {}", words[0], words[1..].join(" ")),
    |words| format!("ERR wrong: {words:?}"),
    |words| format!("WRONGPASS {}", words.join(" ")),
    |words| format!("NOPROTO {}", words.join(" ").to_uppercase().to_lowercase()),
    |words| format!("{} was refused", words.last().unwrap()),
    // Like Redis, it repeats a limited number of characters of the arguments.
    |words| format!("ERR unknown: {}", words.join(" ").chars().take(24).collect::<String>()),
];

#[test]
fn no_message_repeats_a_password() {
    let log = Log::of_this_process();
    for echo in ECHOES {
        let port = echoing(echo);
        let config =
            Config::new().with_port(port).with_connect_timeout(PATIENCE).with_response_timeout(PATIENCE);
        let url = format!("redis://:{ENCODED}@127.0.0.1:{port}/3");
        for (config, protocol) in [
            (config.clone().with_password(PASSWORD), ""),
            (config.with_username("me").with_password(PASSWORD), ""),
            (Config::from_url(&url).unwrap(), ""),
            (Config::from_url(&format!("{url}?protocol=resp3")).unwrap(), "resp3"),
        ] {
            let client = Client::from_config(&config).unwrap();
            assert_clean(&format!("{config:?} {client:?} {:?}", client.lock("shown")));
            for api in APIS {
                let error = refused(&client, api);
                assert_clean(&format!("{error} {error:?} {protocol}"));
                let mut source = std::error::Error::source(&error);
                while let Some(error) = source {
                    assert_clean(&format!("{error} {error:?}"));
                    source = error.source();
                }
                let io = std::io::Error::from(error);
                assert_clean(&format!("{io} {io:?}"));
            }
            let probes = [client.ping_blocking().unwrap_err(), block_on(client.ping()).unwrap_err()];
            for error in probes {
                assert_clean(&format!("{error} {error:?}"));
            }
        }
        let brought = redis_1::from_client(redis::Client::open(url).unwrap()).unwrap();
        for api in APIS {
            let error = refused(&brought, api);
            assert_clean(&format!("{brought:?} {error} {error:?}"));
        }
    }
    assert!(log.count(&["WARN"]) + log.count(&["DEBUG"]) > 0, "the log has heard of it");
    assert_clean(&log.all().join("\n"));
}

/// Messages contain no data from the server: no foreign text, no value, no tag.
#[test]
fn no_message_repeats_stored_data() {
    let log = Log::of_this_process();
    let server = Server::start();
    // Valkey 8.1.1 does not read quotes in its options.
    let password = format!(">{PASSWORD}");
    assert!(server.command(&["ACL", "SETUSER", "me", "on", &password, "~*", "&*", "+@all"]).is_ok());
    let config = Config::new().with_port(server.port()).with_username("me").with_password(PASSWORD);
    let config = config.with_response_timeout(PATIENCE);
    let client = Client::from_config(&config).unwrap();
    let mut shown = vec![format!("{client:?}")];

    let lock = client.lock("stranger").wait(ms(50)).sleep(ms(10));
    server.command(&["SET", lock.record_key().unwrap(), "zebra,fish,hunter2"]);
    for error in [
        lock.acquire_blocking().unwrap_err(),
        block_on(lock.acquire()).unwrap_err(),
        lock.inspect_blocking().unwrap_err(),
        lock.forget_blocking().unwrap_err(),
        lock.get_or_compute_blocking(|| Ok::<u8, dspinlock::Error>(1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Foreign);
        shown.push(format!("{error} {error:?}"));
    }

    // A value that is computed, stored, read, and read as another type.
    let valued = client.lock("valued");
    let secret = || Ok::<_, dspinlock::Error>("zebra fish hunter2".to_owned());
    assert_eq!(valued.get_or_compute_blocking(secret).unwrap(), "zebra fish hunter2");
    assert_eq!(valued.get_or_compute_blocking(|| Ok::<u8, dspinlock::Error>(1)).unwrap(), 1);

    let guard = client.lock("held").acquire_blocking().unwrap();
    let stands = server.command(&["GET", guard.record_key()]);
    let id = stands.text().unwrap().split('@').next().unwrap().to_owned();
    shown.push(format!("{guard:?} {:?} {:?}", client.lock("held"), client.lock("held").inspect_blocking()));
    let error = client.lock("held").wait(ms(20)).acquire_blocking().unwrap_err();
    shown.push(format!("{error} {error:?}"));
    server.command(&["DEL", guard.record_key()]);
    let error = guard.release_blocking().unwrap_err();
    shown.push(format!("{error} {error:?}"));

    let panics = || client.lock("held again").wait(ms(20)).acquire_blocking().map(drop).unwrap();
    let _held = client.lock("held again").acquire_blocking().unwrap();
    let panicked = thread::scope(|scope| scope.spawn(panics).join().unwrap_err());
    shown.push(panicked.downcast_ref::<String>().expect("a message").clone());
    shown.extend(log.all());
    for text in shown {
        assert_clean(&text);
        assert!(!text.contains(&id), "the tag in {text}");
    }
}
