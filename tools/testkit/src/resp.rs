//! A raw connection to a server: one command, one reply.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::request::encode;

/// A command without an answer fails after this time, so that a test with a stopped server ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// An answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// There is no such value.
    Nil,
    /// A status such as `OK` or `PONG`.
    Status(String),
    /// The server refused; the text starts with a word such as `WRONGTYPE`.
    Error(String),
    /// A whole number.
    Int(i64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// Several replies in one.
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a status or of bytes that are UTF-8.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// Whether it is the status `OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Status(text) if text == "OK")
    }
}

/// A plain connection, which does not use the library under test.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `address`; reads and writes fail after ten seconds without progress.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn open(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// How long [`Connection::receive`] waits. `None` is without limit, for `MONITOR`.
    ///
    /// # Errors
    /// If the system refuses the time, as it does a zero.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(patience)
    }

    /// Sends a command and returns its reply; a refusal by the server is a [`Reply::Error`].
    ///
    /// # Errors
    /// If the connection breaks, or nothing comes back in time.
    pub fn command<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<Reply> {
        self.send(words)?;
        self.receive()
    }

    /// Sends a command without waiting for a reply.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<()> {
        self.stream.get_mut().write_all(&encode(words))
    }

    /// Waits for the next reply or, after `MONITOR` or `SUBSCRIBE`, the next message.
    ///
    /// # Errors
    /// If the connection breaks, nothing comes in time, or what comes is not RESP2.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| malformed(&line))?;
        let number = || rest.parse::<i64>().map_err(|_| malformed(&line));
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Int(number()?)),
            "$" => match usize::try_from(number()?) {
                Ok(length) => self.bytes(length).map(Reply::Bytes),
                Err(_) => Ok(Reply::Nil),
            },
            "*" => match usize::try_from(number()?) {
                Ok(length) => (0..length).map(|_| self.receive()).collect::<io::Result<_>>().map(Reply::List),
                Err(_) => Ok(Reply::Nil),
            },
            _ => Err(malformed(&line)),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        // An error may quote bytes of a request that are no text.
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a reply in RESP2: {line:?}"))
}
