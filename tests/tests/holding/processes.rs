//! Processes that fork, abort or are killed, and resources that a living process must not leak.

use dspinlock::{Client, DSpinlock, ErrorKind};
use dspinlock_testkit::Server;
use dspinlock_tests::{Api, Rig, alone, block_on, eventually, in_a_process, ms, within};
use fork::{ProcessFork, fork_process, waitpid};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const LEASE: Duration = ms(900);

/// A key that a caller of the parent waits for.
const WAITED_FOR: &str = "waited for over a fork";

/// A key that a caller of the parent computes a value under.
const COMPUTED: &str = "computed over a fork";

fn compute(lock: &DSpinlock, body: impl FnOnce()) -> dspinlock::Result<u32> {
    lock.get_or_compute_blocking(|| {
        body();
        Ok::<u32, dspinlock::Error>(7)
    })
}

/// A forked child reports what went wrong by its exit code.
fn child(holds: dspinlock::Guard, client: &Client, url: &str) -> i32 {
    let kind = |result: dspinlock::Result<()>| result.map_err(|error| error.kind());
    let misuse = Err(ErrorKind::Misuse);
    if kind(client.ping_blocking()) != misuse || kind(block_on(client.ping())) != misuse {
        return 2;
    }
    let lock = client.lock("in the fork");
    if lock.acquire_blocking().err().map(|error| error.kind()) != Some(ErrorKind::Misuse)
        || block_on(lock.acquire()).err().map(|error| error.kind()) != Some(ErrorKind::Misuse)
    {
        return 3;
    }
    // Nor may it wait for what only the parent's threads would tell it.
    let waits = client.lock(WAITED_FOR);
    if kind(waits.acquire_blocking().map(drop)) != misuse
        || kind(block_on(waits.acquire()).map(drop)) != misuse
        || kind(compute(&client.lock(COMPUTED), || {}).map(drop)) != misuse
    {
        return 8;
    }
    // The child must neither rely on the parent's lock nor give it back.
    let lost = Err(ErrorKind::Lost);
    if holds.is_held() || kind(holds.ensure_held()) != lost || kind(holds.nested().map(drop)) != lost {
        return 7;
    }
    if kind(holds.release_blocking()) != misuse {
        return 4;
    }
    // The child's own client works, with its own thread.
    let own = Client::connect(url);
    match own.and_then(|own| own.lock("its own").lease(LEASE).acquire_blocking()) {
        Ok(guard) => {
            dspinlock_tests::await_renewal(&guard);
            if guard.release_blocking().is_ok() { 0 } else { 6 }
        }
        Err(_) => 5,
    }
}

#[test]
fn a_fork_does_not_touch_its_parents_locks() {
    if alone("processes::a_fork_does_not_touch_its_parents_locks", "DSPINLOCK_URL", None).is_some() {
        return;
    }
    let server = Server::start();
    let client = Client::connect(&server.url()).unwrap();
    let guard = client.lock("held over a fork").lease(LEASE).acquire_blocking().unwrap();
    dspinlock_tests::await_renewal(&guard);
    let waited_for = client.lock(WAITED_FOR).acquire_blocking().unwrap();
    let before = server.calls("evalsha");
    let (computes, is_computing) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| client.lock(WAITED_FOR).acquire_blocking().unwrap().release_blocking());
        let lock = client.lock(COMPUTED);
        let computing = scope.spawn(move || {
            compute(&lock, || {
                computes.send(()).unwrap();
                finished.recv().unwrap();
            })
        });
        is_computing.recv().unwrap();
        // Two of the waiter, of which the second says that it queues, and one of the computing caller.
        eventually("a caller waits", || server.calls("evalsha") >= before + 3);
        let child = match fork_process().unwrap() {
            ProcessFork::Child => {
                // A child that hangs would keep this test from reporting it.
                thread::spawn(|| {
                    thread::sleep(Duration::from_secs(60));
                    std::process::exit(9);
                });
                let code = child(guard, &client, &server.url());
                std::process::exit(code);
            }
            ProcessFork::Parent(pid) => waitpid(pid.into()).unwrap(),
        };
        finish.send(()).unwrap();
        waited_for.release_blocking().unwrap();
        assert_eq!(child, 0, "the exit code is in the second byte");
        assert_eq!(computing.join().unwrap().unwrap(), 7);
        waiter.join().unwrap().unwrap();
        assert!(guard.is_held());
        dspinlock_tests::await_renewal(&guard);
        guard.release_blocking().unwrap();
    });
}

/// With `panic = "abort"` only the lease gives the lock back.
#[test]
fn an_aborted_process_blocks_others_no_longer_than_its_lease() {
    const NAME: &str = "processes::an_aborted_process_blocks_others_no_longer_than_its_lease";
    let server = Server::start();
    if std::env::var_os("DSPINLOCK_TESTS_ABORT").is_some() {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        let client = Client::from_env().unwrap();
        let _guard = client.lock("aborted").lease(LEASE).acquire_blocking().unwrap();
        panic!("as a build with panic = \"abort\" ends");
    }
    let url = ("DSPINLOCK_URL", Some(server.url().into()));
    let ended = in_a_process(NAME, &[("DSPINLOCK_TESTS_ABORT", Some("1".into())), url]);
    assert!(!ended.status.success(), "{ended}");
    let client = Client::connect(&server.url()).unwrap();
    let lock = client.lock("aborted");
    assert!(lock.inspect_blocking().unwrap().is_some(), "it had the lock when it ended");
    // Half a lease of slack for a busy machine.
    let next = lock.wait(LEASE + LEASE / 2).acquire_blocking().expect("the lease is over");
    next.release_blocking().unwrap();
}

/// The threads of this process, by name.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok().map(|name| name.trim().to_owned())
    };
    tasks.filter_map(name).collect()
}

/// Aborted tasks, dropped guards, panics and dropped clients leave no thread and no connection behind.
#[test]
fn nothing_is_left_behind() {
    let server = Server::start();
    if alone("processes::nothing_is_left_behind", "DSPINLOCK_URL", Some(server.url().into())).is_some() {
        return;
    }
    let url = std::env::var("DSPINLOCK_URL").unwrap();
    let address = url.trim_start_matches("redis://").trim_end_matches("/0");
    let mut admin = dspinlock_testkit::Connection::open(address).unwrap();
    let mut connected = || {
        let reply = admin.command(&["CLIENT", "LIST"]).unwrap();
        reply.text().unwrap().lines().count()
    };
    let before = connected();
    let mut highest = Vec::new();
    for round in 0..3 {
        let client = Client::from_env().unwrap();
        for api in [Api::Blocking, Api::Async] {
            let rig = Rig { client: client.clone(), api };
            for n in 0..20 {
                let guard = rig.acquire(&rig.lock(&format!("left {n}")).lease(LEASE)).unwrap();
                if n % 2 == 0 { rig.release(guard).unwrap() } else { drop(guard) }
            }
        }
        let unwound = thread::scope(|scope| {
            let panics = || {
                let _guard = client.lock("unwound").acquire_blocking().unwrap();
                panic!("on purpose");
            };
            scope.spawn(panics).join().is_err()
        });
        assert!(unwound);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for _ in 0..50 {
            let (client, other) = (client.clone(), client.clone());
            runtime.spawn(async move { client.lock("one of many").acquire().await.map(drop) });
            runtime.spawn(async move {
                let _guard = other.lock("one of many").acquire().await;
                std::future::pending::<()>().await;
            });
        }
        runtime.shutdown_timeout(Duration::ZERO);
        eventually("all is given back", || {
            client
                .lock("one of many")
                .inspect_blocking()
                .unwrap()
                .is_none_or(|seen| seen.state() == dspinlock::State::Computed)
        });
        client.shutdown_blocking(Duration::from_secs(10)).unwrap();
        drop(client);
        within(Duration::from_secs(10), "all connections are closed", || connected() == before);
        let ours = threads().into_iter().filter(|name| name.starts_with("dspinlock")).count();
        highest.push(ours);
        assert_eq!(ours, 1, "round {round}: {:?}", threads());
    }
    println!("threads of the library after each round: {highest:?}");
}
