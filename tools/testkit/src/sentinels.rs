//! A primary, a replica, and three sentinels that watch them.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::resp::{Connection, Reply};
use crate::server::{Kind, Server, StartError};

/// A failover, or an agreement of the sentinels, takes a few seconds at most; more on a busy machine.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The time after which a silent primary counts as down.
const DOWN_AFTER: &str = "400";

/// Three sentinels that watch a primary with one replica. Two of them have to agree.
///
/// All end when this value is dropped, and also when this process is killed.
///
/// ```no_run
/// # use dspinlock_testkit::Sentinels;
/// let sentinels = Sentinels::start();
/// let mut switches = sentinels.listen();
/// sentinels.primary().kill();
/// let (_when, port) = switches.next();
/// assert_eq!(sentinels.primary().port(), port);
/// ```
#[derive(Debug)]
pub struct Sentinels {
    /// The data servers, the first primary first.
    pub servers: Vec<Server>,
    /// The sentinels.
    pub sentinels: Vec<Server>,
}

impl Sentinels {
    /// The name by which the sentinels know the primary.
    pub const NAME: &str = "main";

    /// Starts all five, and waits until the sentinels know the replica and each other.
    ///
    /// # Panics
    /// If one of them does not start or does not become ready.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// [`Sentinels::start`] with further options of the data servers and of the sentinels. A password (`--requirepass`) is
    /// told to whoever needs it.
    ///
    /// # Panics
    /// As [`Sentinels::start`].
    pub fn start_with(data: &[&str], sentinel: &[&str]) -> Self {
        Self::try_start_with(data, sentinel)
            .unwrap_or_else(|error| panic!("sentinels are needed here: {error}"))
    }

    /// [`Sentinels::start_with`] for a caller that reports a failure.
    ///
    /// # Errors
    /// If one of them does not start.
    ///
    /// # Panics
    /// If one of them does not become ready.
    pub fn try_start_with(data: &[&str], sentinel: &[&str]) -> Result<Self, StartError> {
        let password = data.iter().position(|&arg| arg == "--requirepass").map(|at| data[at + 1]);
        let mut options = vec!["--repl-diskless-sync-delay", "0"];
        options.extend_from_slice(data);
        if let Some(password) = password {
            options.extend(["--masterauth", password]);
        }
        let servers = vec![Server::try_start_with(&options)?, Server::try_start_with(&options)?];
        servers[1].follow(&servers[0]);
        let sentinels = (0..3).map(|_| Server::try_start_as(Kind::Sentinel, sentinel));
        let this = Self { servers, sentinels: sentinels.collect::<Result<_, _>>()? };
        for sentinel in &this.sentinels {
            hurry(sentinel);
            let port = this.servers[0].port().to_string();
            told(sentinel, &["SENTINEL", "MONITOR", Self::NAME, "127.0.0.1", &port, "2"]);
            let mut settings = vec!["down-after-milliseconds", DOWN_AFTER, "failover-timeout", "3000"];
            settings.extend(password.map(|password| ["auth-pass", password]).iter().flatten());
            told(sentinel, &[&["SENTINEL", "SET", Self::NAME], &*settings].concat());
        }
        this.await_agreement();
        Ok(this)
    }

    /// The address for a client, without credentials.
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis-sentinel://{}/{}", hosts.join(","), Self::NAME)
    }

    /// The server that the sentinels hold for the primary.
    ///
    /// # Panics
    /// If they do not agree.
    pub fn primary(&self) -> &Server {
        let port = self.primary_port().expect("the sentinels agree");
        self.servers.iter().find(|server| server.port() == port).expect("one of the two")
    }

    /// The port of the primary on which all sentinels that run agree; `None` while they do not.
    pub fn primary_port(&self) -> Option<u16> {
        let mut ports = self.running().map(announced);
        let first = ports.next().flatten();
        first.filter(|_| ports.all(|other| other == first))
    }

    /// The number of the last switch on which all sentinels that run agree; each switch has a higher one. `None` while they do not.
    pub fn epoch(&self) -> Option<u64> {
        let mut epochs = self.running().map(|sentinel| {
            let primary = fields(&sentinel.command(&["SENTINEL", "MASTER", Self::NAME]));
            primary.iter().find(|(name, _)| name == "config-epoch")?.1.parse().ok()
        });
        let first = epochs.next().flatten();
        first.filter(|_| epochs.all(|other| other == first))
    }

    /// The other server.
    ///
    /// # Panics
    /// As [`Sentinels::primary`].
    pub fn replica(&self) -> &Server {
        let primary = self.primary().port();
        self.servers.iter().find(|server| server.port() != primary).expect("there are two")
    }

    /// Listens for switches to another primary from now on, by connections with the name `testkit`.
    ///
    /// # Panics
    /// If a sentinel that runs can't be reached.
    pub fn listen(&self) -> Switches {
        let (sender, receiver) = channel();
        for sentinel in self.running() {
            let mut connection = sentinel.connect().expect("a sentinel that runs");
            connection.set_patience(None).expect("no limit");
            connection.command(&["CLIENT", "SETNAME", "testkit"]).expect("a name");
            connection.command(&["SUBSCRIBE", "+switch-master"]).expect("a subscription");
            let sender = sender.clone();
            // It ends with the sentinel.
            thread::spawn(move || {
                while let Ok(port) = switch(&mut connection) {
                    if sender.send((Instant::now(), port)).is_err() {
                        return;
                    }
                }
            });
        }
        let last = self.primary_port().expect("the sentinels agree");
        Switches { receiver, last }
    }

    /// Has the replica take over from the primary, which goes on as a replica, and waits for that. Returns when the switch was
    /// published.
    ///
    /// # Panics
    /// If that does not happen within a minute.
    pub fn fail_over(&self) -> Instant {
        let mut switches = self.listen();
        let mut next = None;
        within("a failover", || {
            // On a busy machine it may be given up.
            let begin = |sentinel: &Server| sentinel.command(&["SENTINEL", "FAILOVER", Self::NAME]).is_ok();
            if self.running().any(begin) {
                next = switches.next_within(Duration::from_secs(5));
            }
            next.is_some()
        });
        next.expect("a switch").0
    }

    /// Waits until the sentinels agree on a primary, and know each other and a replica of it that is in step.
    ///
    /// # Panics
    /// If that does not happen within a minute.
    pub fn await_agreement(&self) {
        within("the sentinels agree", || {
            let mut known = self.running().map(settled);
            let first = known.next().flatten();
            first.is_some() && known.all(|other| other == first)
        });
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.sentinels.iter().filter(|sentinel| sentinel.pid().is_some())
    }
}

/// The switches that the sentinels publish.
#[derive(Debug)]
pub struct Switches {
    receiver: Receiver<(Instant, u16)>,
    last: u16,
}

impl Switches {
    /// Waits until the first sentinel publishes a switch to another primary. Returns when that was, and the port of the new one.
    ///
    /// # Panics
    /// If none comes within a minute.
    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> (Instant, u16) {
        self.next_within(SETTLED_WITHIN).expect("a switch to another primary")
    }

    fn next_within(&mut self, limit: Duration) -> Option<(Instant, u16)> {
        let until = Instant::now() + limit;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let (at, port) = self.receiver.recv_timeout(rest).ok()?;
            // Each sentinel publishes it.
            if std::mem::replace(&mut self.last, port) != port {
                return Some((at, port));
            }
        }
    }
}

/// Waits for the next message, `main 127.0.0.1 OLD 127.0.0.1 NEW`, and returns the new port.
fn switch(connection: &mut Connection) -> io::Result<u16> {
    let message = connection.receive()?;
    let port = match &message {
        Reply::List(parts) => parts.last().and_then(Reply::text).and_then(|text| text.rsplit(' ').next()),
        _ => None,
    };
    port.and_then(|port| port.parse().ok()).ok_or_else(|| io::Error::other(format!("no switch: {message:?}")))
}

/// The port of the primary that a sentinel announces.
fn announced(sentinel: &Server) -> Option<u16> {
    match sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::NAME]) {
        Reply::List(address) => address.last()?.text()?.parse().ok(),
        _ => None,
    }
}

/// The port of the primary that a sentinel knows; `None` while that may change, or it lacks another sentinel or the replica.
fn settled(sentinel: &Server) -> Option<u16> {
    let primary = fields(&sentinel.command(&["SENTINEL", "MASTER", Sentinels::NAME]));
    let replicas = sentinel.command(&["SENTINEL", "REPLICAS", Sentinels::NAME]);
    let Reply::List(replicas) = replicas else { return None };
    let replica = fields(replicas.first()?);
    let has = |fields: &[(String, String)], name: &str, value: &str| {
        fields.iter().any(|(known, is)| known == name && is == value)
    };
    let is_settled = has(&primary, "flags", "master")
        && has(&primary, "num-other-sentinels", "2")
        && has(&replica, "flags", "slave")
        && has(&replica, "master-link-status", "ok");
    let (_, port) = primary.iter().find(|(name, _)| name == "port")?;
    port.parse().ok().filter(|_| is_settled)
}

/// The fields of a reply of names and values.
fn fields(reply: &Reply) -> Vec<(String, String)> {
    let Reply::List(words) = reply else { return Vec::new() };
    let text = |word: &Reply| word.text().unwrap_or_default().to_owned();
    words.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// Shortens what a sentinel waits for between two steps; not all versions let themselves be hurried.
fn hurry(sentinel: &Server) {
    // After four periods of publishing, the others turn a server back that was promoted; its promotion is seen within a second.
    for (period, millis) in [("INFO", "100"), ("ASK", "100"), ("PUBLISH", "500")] {
        sentinel.command(&["SENTINEL", "DEBUG", &format!("{period}-PERIOD"), millis]);
    }
}

fn told(sentinel: &Server, words: &[&str]) {
    let reply = sentinel.command(words);
    assert!(reply.is_ok(), "the sentinel refuses {words:?}: {reply:?}");
}

fn within(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < SETTLED_WITHIN, "{what}: not within {SETTLED_WITHIN:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
