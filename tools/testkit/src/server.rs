//! A private server for one test, example or tool.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fmt, fs, io, process};

use rustix::process::Signal;

use crate::info;
use crate::process::Process;
use crate::resp::{Connection, Reply};

/// Names the program to start instead of the one on the `PATH`; `scripts/matrix` sets it.
const CHOSEN: &str = "DSPINLOCK_TEST_SERVER";

/// Server binaries, in the order in which they are looked for.
const BINARIES: [&str; 2] = ["redis-server", "valkey-server"];

/// Ports below those of outgoing connections on Linux. A client that tries to reach a stopped server must not get the
/// server's own port for its end of the connection, or the server could not restart.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// How many ports are tried. Another process may take one between the check and the start.
const PORT_TRIES: u32 = 20;

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// `DSPINLOCK_TEST_SERVER` names no program, or it is not set and neither `redis-server` nor `valkey-server` is on the `PATH`.
    NotFound,
    /// The binary is there and did not become ready; the text has the end of its log.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => match env::var_os(CHOSEN) {
                Some(chosen) => write!(f, "{CHOSEN} names no program: {}", chosen.display()),
                None => write!(
                    f,
                    "no redis-server and no valkey-server on the PATH: install one (`apt-get install redis-server`)"
                ),
            },
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StartError {}

/// A private server on a free port of the loopback, in a directory of its own, without persistence.
///
/// It ends when this value is dropped, and also when this process is killed.
///
/// ```
/// # use dspinlock_testkit::{Reply, Server};
/// let server = Server::start();
/// server.command(&["SET", "name", "value"]);
/// assert_eq!(server.command(&["GET", "name"]), Reply::Bytes(b"value".to_vec()));
/// ```
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
    kind: Kind,
    extra: Vec<String>,
    process: Mutex<Option<Process>>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    /// It watches other servers. It keeps what it knows in a file of its directory.
    Sentinel,
}

impl Kind {
    /// Where its directory is.
    fn base(self) -> PathBuf {
        // A sentinel waits for the disk at each step of a failover, and misses its time limits on a busy one.
        let memory = Path::new("/dev/shm");
        if self == Self::Sentinel && memory.is_dir() { memory.to_owned() } else { env::temp_dir() }
    }
}

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If there is none on the `PATH`, or it does not become ready; the message says which.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// [`Server::start`] with options in the server's own form, such as `&["--requirepass", "secret"]`.
    ///
    /// They override the defaults. Callers must not set `--port`, `--dir`, `--logfile`, or a `--loglevel` that hides the notice
    /// of readiness.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn start_with(args: &[&str]) -> Self {
        Self::try_start_with(args).unwrap_or_else(|error| panic!("a private server is needed here: {error}"))
    }

    /// [`Server::start`] for a caller that works without a server, too.
    ///
    /// # Errors
    /// [`StartError::NotFound`] without a binary, [`StartError::Failed`] if it does not become ready.
    pub fn try_start() -> Result<Self, StartError> {
        Self::try_start_with(&[])
    }

    /// [`Server::start_with`] for a caller that works without a server, too.
    ///
    /// # Errors
    /// As [`Server::try_start`].
    pub fn try_start_with(args: &[&str]) -> Result<Self, StartError> {
        Self::try_start_as(Kind::Data, args)
    }

    pub(crate) fn try_start_as(kind: Kind, args: &[&str]) -> Result<Self, StartError> {
        let binary = Self::find().ok_or(StartError::NotFound)?;
        let extra: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let mut last = String::from("no free port was found");
        for _ in 0..PORT_TRIES {
            let port = random_port();
            // This check saves most failing starts. The start itself shows whether the port is free.
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
            let dir = new_dir(&kind.base(), port)
                .map_err(|error| StartError::Failed(format!("no directory: {error}")))?;
            match run(kind, &binary, &dir, port, &extra) {
                Ok(process) => {
                    return Ok(Self { binary, dir, port, kind, extra, process: Mutex::new(Some(process)) });
                }
                Err(problem) if problem.contains("in use") => last = problem,
                Err(problem) => return Err(StartError::Failed(problem)),
            }
        }
        Err(StartError::Failed(last))
    }

    /// Starts a replica of `primary`, which has no password, and waits until it has all data.
    ///
    /// # Panics
    /// As [`Server::start`], or as [`Server::follow`].
    pub fn start_replica_of(primary: &Server) -> Self {
        let replica = Self::start();
        replica.follow(primary);
        replica
    }

    /// Makes it a replica of `primary`, which has no password. The primary's data replaces its own. It is a primary again after
    /// `REPLICAOF NO ONE` or [`Server::restart`].
    ///
    /// # Panics
    /// If one of them can't be reached, or nothing comes within ten seconds.
    pub fn follow(&self, primary: &Server) {
        // Otherwise the primary waits a few seconds for more replicas.
        assert!(primary.command(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).is_ok());
        assert!(self.command(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]).is_ok());
        self.await_writes_of(primary);
    }

    /// Waits until it has everything that was written to `primary`. It must be the only replica.
    ///
    /// # Panics
    /// As [`Server::follow`].
    pub fn await_writes_of(&self, primary: &Server) {
        // `WAIT` only waits for writes of its own connection, so this writes something and removes it.
        let mut connection = primary.connect().expect("the primary is there");
        let mut ask = |words: &[&str]| connection.command(words).expect("the primary answers");
        let mark = format!("written by a test for port {}", self.port);
        assert!(ask(&["SET", &mark, "", "EX", "60"]).is_ok());
        ask(&["DEL", &mark]);
        assert_eq!(ask(&["WAIT", "1", "9000"]).int(), Some(1), "the replica does not follow");
    }

    /// The server binary that would be started: the one that `DSPINLOCK_TEST_SERVER` names, or else one from the `PATH`.
    pub fn find() -> Option<PathBuf> {
        if let Some(chosen) = env::var_os(CHOSEN) {
            return Some(PathBuf::from(chosen)).filter(|file| is_program(file));
        }
        let path = env::var_os("PATH")?;
        BINARIES
            .iter()
            .find_map(|name| env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_program(file)))
    }

    /// Its address for a client: `redis://127.0.0.1:PORT/0`, always without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The program that runs.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, unless it is down.
    pub fn pid(&self) -> Option<i32> {
        self.process().as_ref().map(Process::id)
    }

    /// Its directory, which lasts as long as this value, over [`Server::kill`] and [`Server::restart`].
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops it with `SIGSTOP`. Connections stay open and get no replies.
    ///
    /// # Panics
    /// If the server is down.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues a paused server.
    ///
    /// # Panics
    /// If the server is down.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it without warning, as a crash would. The port stays this server's own for [`Server::restart`].
    pub fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    /// Starts it again on the same port and in the same directory, after killing it if it still runs.
    ///
    /// Its data is gone unless it was started with `&["--appendonly", "yes"]`.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart(&self) {
        self.kill();
        let started = run(self.kind, &self.binary, &self.dir, self.port, &self.extra);
        *self.process() =
            Some(started.unwrap_or_else(|problem| panic!("the server does not restart: {problem}")));
    }

    /// Opens a raw connection, authenticated if the server was started with a password.
    ///
    /// # Errors
    /// If it can't be reached, or the password is not taken.
    pub fn connect(&self) -> io::Result<Connection> {
        connect(self.port, &self.extra)
    }

    /// Runs one command over a connection made for it.
    ///
    /// # Panics
    /// If the server can't be reached or does not answer within ten seconds.
    pub fn command<A: AsRef<[u8]>>(&self, words: &[A]) -> Reply {
        let answer = self.connect().and_then(|mut connection| connection.command(words));
        answer.unwrap_or_else(|error| panic!("the server on port {} does not answer: {error}", self.port))
    }

    /// The fields of one section of `INFO`.
    ///
    /// # Panics
    /// As [`Server::command`].
    pub fn info(&self, section: &str) -> BTreeMap<String, String> {
        let reply = self.command(&["INFO", section]);
        info::fields(reply.text().unwrap_or_else(|| panic!("INFO {section} answered {reply:?}")))
    }

    /// How often each command was called since the start, by name in lower case (`"evalsha"`, `"script|load"`).
    ///
    /// Commands called by a script count in addition to its `evalsha`. The `info` of this call counts from the next call on.
    ///
    /// # Panics
    /// As [`Server::command`].
    pub fn command_stats(&self) -> BTreeMap<String, u64> {
        info::calls(&self.info("commandstats"))
    }

    /// How often one command was called since the start; see [`Server::command_stats`].
    ///
    /// A server before 7.0 counts all subcommands of a command together, and so does this then.
    ///
    /// # Panics
    /// As [`Server::command`].
    pub fn calls(&self, command: &str) -> u64 {
        let stats = self.command_stats();
        let all = command.split('|').next().and_then(|name| stats.get(name));
        stats.get(command).or(all).copied().unwrap_or(0)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        let process = self.process();
        let process = process.as_ref().expect("the server is down");
        process.signal(signal).unwrap_or_else(|error| panic!("the server can't be signalled: {error}"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guard removes the directory of a server that runs; after a kill there is no guard.
        if self.process().take().is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Starts the binary and returns once it has answered a `PING`.
fn run(kind: Kind, binary: &Path, dir: &Path, port: u16, extra: &[String]) -> Result<Process, String> {
    let mut args = match kind {
        Kind::Data => Vec::new(),
        Kind::Sentinel => {
            vec![sentinel_file(dir).map_err(|error| error.to_string())?, "--sentinel".to_owned()]
        }
    };
    args.extend(
        ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--logfile", ""].map(String::from),
    );
    args.extend(["--port".to_owned(), port.to_string(), "--dir".to_owned(), dir.display().to_string()]);
    args.extend_from_slice(extra);
    let process = Process::start(binary, dir, &args)?;
    let answer = connect(port, extra).and_then(|mut connection| connection.command(&["PING"]));
    match answer {
        // A refusal (a wrong role, other users) is an answer, too.
        Ok(Reply::Status(_) | Reply::Error(_)) => Ok(process),
        Ok(reply) => Err(format!("the server answered PING with {reply:?}")),
        Err(error) => Err(format!("the server said that it was ready and does not answer: {error}")),
    }
}

/// The file in which a sentinel keeps what it knows. It has to be there at the start.
fn sentinel_file(dir: &Path) -> io::Result<String> {
    let file = dir.join("sentinel.conf");
    fs::OpenOptions::new().create(true).append(true).open(&file)?;
    Ok(file.display().to_string())
}

fn connect(port: u16, extra: &[String]) -> io::Result<Connection> {
    let mut connection = Connection::open(("127.0.0.1", port))?;
    if let Some(at) = extra.iter().position(|arg| arg == "--requirepass")
        && let Some(password) = extra.get(at + 1)
        && !connection.command(&["AUTH", password])?.is_ok()
    {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the server does not take its own password",
        ));
    }
    Ok(connection)
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A random port, since other test processes look for ports at the same time.
pub(crate) fn random_port() -> u16 {
    // Each `RandomState` has keys of its own, which is all the randomness needed here.
    let offset = RandomState::new().hash_one(process::id()) % u64::from(PORTS.end - PORTS.start);
    PORTS.start + u16::try_from(offset).unwrap_or_default()
}

pub(crate) fn new_dir(base: &Path, port: u16) -> io::Result<PathBuf> {
    let name =
        format!("dspinlock-server-{}-{port}-{:08x}", process::id(), RandomState::new().hash_one(port) >> 32);
    let dir = base.join(name);
    fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}
