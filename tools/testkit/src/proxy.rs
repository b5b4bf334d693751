//! A proxy with faults on request.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::request::{Requests, encode};
use crate::resp::Connection;

/// Which way bytes go through a [`Proxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Replies,
}

/// The fate of a request, as its editor decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Pass,
    /// It is delivered, and the connection is closed in place of its reply.
    CutReply,
    /// It is delivered this much later, even if the client has gone. Later requests wait behind it.
    Late(Duration),
    /// It is delivered twice, first over another connection whose reply is dropped, as by a client that re-sends.
    Twice,
}

/// Sees each request of a client, and may rewrite its words.
type Editor = dyn Fn(&mut Vec<Vec<u8>>) -> Verdict + Send + Sync;

/// A TCP proxy in front of a server. Its faults are switched while clients use it.
///
/// ```
/// # use dspinlock_testkit::{Connection, Proxy, Server};
/// let server = Server::start();
/// let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
/// proxy.cut_reply_to(b"INCR");
/// let mut client = Connection::open(proxy.address())?;
/// assert!(client.command(&["INCR", "counter"]).is_err());
/// assert_eq!(server.command(&["GET", "counter"]).text(), Some("1"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    faults: Mutex<Faults>,
    changed: Condvar,
    editor: Option<Box<Editor>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("faults", &self.faults).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Faults {
    target: SocketAddr,
    delay: [Duration; 2],
    /// Bytes in a second, where there is a limit.
    rate: [Option<u32>; 2],
    held: [bool; 2],
    refuse: bool,
    cut: Option<Vec<u8>>,
    cuts: u64,
    connections: Vec<Link>,
    accepted: u64,
    /// Connections with this number and lower ones pass nothing on any more.
    silent: u64,
    ended: bool,
}

/// Both ends of one proxied connection.
#[derive(Debug)]
struct Link {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    /// Its next reply is to be cut.
    doomed: bool,
    /// How many of its two directions have ended.
    ended: u8,
}

impl Link {
    fn close(&self) {
        // An end that has closed already can't be closed again, which is what was wanted.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Listens on a free port of the loopback and passes everything on to `target`, at first without faults.
    ///
    /// # Panics
    /// If no port can be listened on.
    pub fn start(target: SocketAddr) -> Self {
        Self::start_with(target, None)
    }

    /// [`Proxy::start`] with an editor, which sees each request and may rewrite it.
    ///
    /// # Panics
    /// As [`Proxy::start`].
    pub fn start_editing(
        target: SocketAddr,
        editor: impl Fn(&mut Vec<Vec<u8>>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(target, Some(Box::new(editor)))
    }

    fn start_with(target: SocketAddr, editor: Option<Box<Editor>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on the loopback");
        let address = listener.local_addr().expect("the address of a bound socket");
        let faults = Mutex::new(Faults::none(target));
        let shared = Arc::new(Shared { faults, changed: Condvar::new(), editor });
        let accepting = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect, as `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Delivers everything in one direction this much later; order and throughput stay as they are.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.shared.faults().delay[direction as usize] = delay;
    }

    /// Limits the bytes per second in one direction of each connection. `None` is without limit.
    pub fn throttle(&self, direction: Direction, rate: Option<u32>) {
        self.shared.faults().rate[direction as usize] = rate;
    }

    /// Connects new clients to another server, as after a failover. Open connections stay.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.faults().target = target;
    }

    /// Holds back everything in one direction, the end of a connection included, as a partition does. Turned off, it delivers
    /// what was held, as TCP does after a partition.
    pub fn blackhole(&self, direction: Direction, on: bool) {
        self.shared.faults().held[direction as usize] = on;
        self.shared.changed.notify_all();
    }

    /// Delivers nothing over the open connections from now on, as behind a router that has forgotten them. New ones work.
    pub fn silence(&self) {
        let mut faults = self.shared.faults();
        faults.silent = faults.accepted;
    }

    /// Closes new connections as soon as they are made. Open ones stay.
    pub fn refuse(&self, on: bool) {
        self.shared.faults().refuse = on;
    }

    /// Delivers the next request that contains `needle` (if that is empty, the next request), waits for the server's reply, and
    /// closes the connection in its place. The client can't know that its request was done.
    pub fn cut_reply_to(&self, needle: &[u8]) {
        self.shared.faults().cut = Some(needle.to_vec());
    }

    /// How many replies were cut so far.
    pub fn cuts(&self) -> u64 {
        self.shared.faults().cuts
    }

    /// How many connections were taken so far, those that were refused included.
    pub fn accepted(&self) -> u64 {
        self.shared.faults().accepted
    }

    /// Closes all open connections.
    pub fn cut_all(&self) {
        for link in self.shared.faults().connections.drain(..) {
            link.close();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.faults().ended = true;
        self.shared.changed.notify_all();
        self.cut_all();
        // The acceptor checks for the end at each connection, so this makes one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the direction is held, or the connection silent; false when the proxy has ended.
    fn passable(&self, direction: Direction, number: u64) -> bool {
        let faults = self.faults();
        let held = |faults: &mut Faults| {
            (faults.held[direction as usize] || number <= faults.silent) && !faults.ended
        };
        !self.changed.wait_while(faults, held).unwrap_or_else(PoisonError::into_inner).ended
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let mut faults = shared.faults();
        if faults.ended {
            return;
        }
        let Ok(client) = client else { continue };
        faults.accepted += 1;
        if faults.refuse {
            continue;
        }
        let (number, target) = (faults.accepted, faults.target);
        drop(faults);
        // A client of a stopped server gets a closed connection.
        let _ = link(number, client, target, shared);
    }
}

fn link(number: u64, client: TcpStream, target: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)];
    shared.faults().connections.push(Link { number, client, server, doomed: false, ended: 0 });
    for ((from, to), direction) in ends.into_iter().zip([Direction::Requests, Direction::Replies]) {
        let (sender, receiver) = channel();
        let reading = Arc::clone(shared);
        let writing = Arc::clone(shared);
        thread::spawn(move || read(from, &sender, direction, number, &reading));
        thread::spawn(move || {
            write(to, &receiver, direction, number, &writing);
            writing.faults().end_direction(number);
        });
    }
    Ok(())
}

/// Bytes, and when they may be delivered. Reading continues meanwhile, so a delay adds only latency.
type Chunk = (Instant, Vec<u8>);

fn read(mut from: TcpStream, chunks: &Sender<Chunk>, direction: Direction, number: u64, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    let mut requests = Requests::default();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        let mut faults = shared.faults();
        let due = Instant::now() + faults.delay[direction as usize];
        match direction {
            Direction::Requests => faults.doom(number, bytes),
            Direction::Replies if faults.cut(number) => return,
            Direction::Replies => {}
        }
        drop(faults);
        let sent = match (&shared.editor, direction) {
            (Some(editor), Direction::Requests) => {
                requests.push(bytes);
                edit(&mut requests, editor, due, number, shared, chunks)
            }
            _ => chunks.send((due, bytes.to_vec())).is_ok(),
        };
        if !sent {
            return;
        }
    }
}

/// Edits and delivers whole requests; false when the connection is closed.
fn edit(
    requests: &mut Requests,
    editor: &Editor,
    due: Instant,
    number: u64,
    shared: &Shared,
    chunks: &Sender<Chunk>,
) -> bool {
    while let Some(request) = requests.next() {
        let (due, bytes) = match request {
            Err(other) => (due, other),
            Ok(mut words) => {
                let verdict = editor(&mut words);
                let late = if let Verdict::Late(late) = verdict { late } else { Duration::ZERO };
                match verdict {
                    Verdict::CutReply => shared.faults().doom_link(number),
                    Verdict::Twice => send_aside(shared.faults().target, &words),
                    Verdict::Pass | Verdict::Late(_) => {}
                }
                (due + late, encode(&words))
            }
        };
        if chunks.send((due, bytes)).is_err() {
            return false;
        }
    }
    true
}

/// Has a request done over a connection of its own.
fn send_aside(target: SocketAddr, words: &[Vec<u8>]) {
    // The request itself is delivered in any case.
    let _ = Connection::open(target).and_then(|mut aside| {
        aside.set_patience(Some(Duration::from_millis(100)))?;
        aside.command(words)
    });
}

fn write(mut to: TcpStream, chunks: &Receiver<Chunk>, direction: Direction, number: u64, shared: &Shared) {
    while let Ok((due, bytes)) = chunks.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if !shared.passable(direction, number) || deliver(&mut to, &bytes, direction, shared).is_err() {
            break;
        }
    }
    if shared.passable(direction, number) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Writes a chunk, in small parts where there is a limit to the rate.
fn deliver(to: &mut TcpStream, mut bytes: &[u8], direction: Direction, shared: &Shared) -> io::Result<()> {
    const PART: Duration = Duration::from_millis(10);
    while !bytes.is_empty() {
        let faults = shared.faults();
        let Some(rate) = faults.rate[direction as usize].filter(|_| !faults.ended) else {
            drop(faults);
            return to.write_all(bytes);
        };
        drop(faults);
        let parts_a_second = u32::try_from(1_000 / PART.as_millis()).unwrap_or(1);
        let length = usize::try_from(rate / parts_a_second).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at(length.clamp(1, bytes.len()));
        to.write_all(part)?;
        thread::sleep(PART);
        bytes = rest;
    }
    Ok(())
}

impl Faults {
    fn none(target: SocketAddr) -> Self {
        Self {
            target,
            delay: [Duration::ZERO; 2],
            rate: [None; 2],
            held: [false; 2],
            silent: 0,
            refuse: false,
            cut: None,
            cuts: 0,
            connections: Vec::new(),
            accepted: 0,
            ended: false,
        }
    }

    /// Forgets a connection whose two directions have ended.
    fn end_direction(&mut self, number: u64) {
        if let Some(at) = self.connections.iter().position(|link| link.number == number) {
            self.connections[at].ended += 1;
            if self.connections[at].ended == 2 {
                self.connections.swap_remove(at);
            }
        }
    }

    /// Marks a connection whose request is the one to be cut.
    fn doom(&mut self, number: u64, request: &[u8]) {
        let Some(needle) = &self.cut else { return };
        if needle.is_empty() || request.windows(needle.len()).any(|part| part == needle) {
            self.cut = None;
            self.doom_link(number);
        }
    }

    fn doom_link(&mut self, number: u64) {
        if let Some(link) = self.connections.iter_mut().find(|link| link.number == number) {
            link.doomed = true;
        }
    }

    /// Closes a marked connection, whose reply has come now.
    fn cut(&mut self, number: u64) -> bool {
        let Some(at) = self.connections.iter().position(|link| link.number == number && link.doomed) else {
            return false;
        };
        self.connections.swap_remove(at).close();
        self.cuts += 1;
        true
    }
}
