//! Where a server is, or several.

use crate::host::Host;
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
