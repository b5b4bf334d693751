//! Where a server is, or several.

use std::fmt;

/// Where the locks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A new embedded store of this process.
    Memory,
    Server(Host),
    /// The path of a socket.
    Unix(String),
    Sentinel(Sentinel),
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<Host>),
}

/// A name or an IP address, the latter without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// The sentinels that know where a primary is. User and password of the configuration are those of the primary.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sentinel {
    pub(crate) hosts: Vec<Host>,
    /// The name by which they know the primary.
    pub(crate) primary: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// Whether they speak TLS; `None` if they do as the primary does.
    pub(crate) tls: Option<bool>,
}

impl Host {
    /// The port of a server, and of a node of a cluster.
    pub(crate) const SERVER: u16 = 6379;
    pub(crate) const SENTINEL: u16 = 26379;

    pub(crate) fn new(name: impl Into<String>, port: u16) -> Self {
        Self { name: name.into(), port }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new("127.0.0.1", Self::SERVER)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

impl fmt::Debug for Sentinel {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel")
            .field("hosts", &self.hosts)
            .field("primary", &self.primary)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// The one server; `None` for a socket, for several servers, and for the embedded store.
    pub(super) fn server(&self) -> Option<&Host> {
        match self {
            Self::Server(host) => Some(host),
            _ => None,
        }
    }

    /// The one server. Any other address is replaced by the default one.
    pub(super) fn server_mut(&mut self) -> &mut Host {
        if self.server().is_none() {
            *self = Self::default();
        }
        match self {
            Self::Server(host) => host,
            _ => unreachable!("the default is a server"),
        }
    }

    pub(super) fn sentinel_mut(&mut self) -> Option<&mut Sentinel> {
        match self {
            Self::Sentinel(sentinel) => Some(sentinel),
            _ => None,
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::Server(Host::default())
    }
}
