//! The server at which the processes of an example meet.

use std::{env, fmt, io};

use crate::server::{Server, StartError};

const ENVIRONMENT: &str = "DSPINLOCK_URL";

/// The server of a run: a given one, or a private one that ends with this value.
#[derive(Debug)]
pub struct Place {
    /// Its address, which may hold a password: pass it on in the environment, since every user of the machine can read
    /// arguments.
    pub url: String,
    named: Named,
}

#[derive(Debug)]
enum Named {
    By(&'static str),
    Nobody(Server),
}

impl Place {
    /// The URL that the option `--redis` gives; else `DSPINLOCK_URL`; else a private server from the `PATH`.
    ///
    /// # Errors
    /// Those of [`Server::try_start`]. What is given is not connected to.
    pub fn choose(given: Option<&str>) -> Result<Self, StartError> {
        let variable = || env::var(ENVIRONMENT).ok().filter(|url| !url.is_empty());
        let given = given.map(|url| (url.to_owned(), "--redis"));
        if let Some((url, source)) = given.or_else(|| variable().map(|url| (url, ENVIRONMENT))) {
            return Ok(Self { url, named: Named::By(source) });
        }
        let server = Server::try_start()?;
        Ok(Self { url: server.url(), named: Named::Nobody(server) })
    }

    /// [`Place::choose`] for a program of several processes.
    ///
    /// # Errors
    /// Also for a memory store, which processes can't share.
    pub fn of_processes(given: Option<&str>) -> io::Result<Self> {
        let place = Self::choose(given).map_err(io::Error::other)?;
        if let (true, Named::By(source)) = (place.is_memory(), &place.named) {
            return Err(io::Error::other(format!("{source}: processes can't meet in a memory store")));
        }
        Ok(place)
    }

    /// The option or variable that named it; `None` for a private server.
    #[must_use]
    pub fn source(&self) -> Option<&'static str> {
        match self.named {
            Named::By(source) => Some(source),
            Named::Nobody(_) => None,
        }
    }

    /// Whether it is a store in the memory of one process.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.url.starts_with("memory:")
    }
}

/// What is used, for the reader, without the URL.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.named {
            Named::By(source) => write!(f, "the server given by {source}"),
            Named::Nobody(server) => {
                write!(f, "a private {} on port {}", server.binary().display(), server.port())
            }
        }
    }
}
