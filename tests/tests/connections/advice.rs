//! Warnings about a server that may lose locks, each logged once.

use dspinlock::Client;
use dspinlock_testkit::Server;
use dspinlock_tests::{Log, eventually};

fn warned(log: &Log, server: &Server, what: &str) -> usize {
    log.count(&["WARN", &format!(":{}/0", server.port()), what])
}

fn use_twice(server: &Server) {
    for _ in 0..2 {
        let client = Client::connect(&server.url()).unwrap();
        for n in 0..3 {
            client.lock(n).inspect_blocking().unwrap();
        }
    }
}

#[test]
fn a_server_that_may_lose_locks_is_warned_of_once() {
    let log = Log::of_this_process();
    let evicting = Server::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &evicting.port().to_string()]);
    let safe = Server::start_with(&["--appendonly", "yes"]);
    let warnings = [
        (&evicting, "noeviction", 1),
        (&evicting, "appendonly yes", 1),
        (&evicting, "replica", 0),
        (&replica, "it is a replica", 1),
        (&replica, "noeviction", 0),
        (&safe, "", 0),
    ];
    for server in [&evicting, &replica, &safe] {
        // Valkey 9.1 counts some of its own.
        let at_first = server.calls("config|get");
        use_twice(server);
        // Asked by both clients: then all warnings are out.
        eventually("the server was asked", || server.calls("config|get") == at_first + 2);
    }
    for (server, what, times) in warnings {
        if times > 0 {
            eventually(what, || warned(&log, server, what) > 0);
        }
        assert_eq!(warned(&log, server, what), times, "{what}: {:?}", log.all());
    }
}

/// An access list that forbids the questions causes neither a warning nor an error.
#[test]
fn a_server_that_does_not_show_its_settings_is_used_without_a_warning() {
    let server =
        Server::start_with(&["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config", "-info"]);
    let client = Client::connect(&server.url()).unwrap();
    client.lock("taken").acquire_blocking().unwrap().release_blocking().unwrap();
    assert_eq!(warned(&Log::of_this_process(), &server, ""), 0);
}
