//! Which certificates are trusted, and which one this process shows.

use std::fmt;
use std::path::PathBuf;

/// How TLS is spoken: which certificate authorities (CAs) are trusted, and which certificate this process shows to the server.
///
/// Without a CA the system's are trusted. A CA that is given is trusted alone. The server's certificate is always verified.
/// Certificates and keys are in PEM. Files are read once, when the client is made: a new client reads them again.
///
/// ```no_run
/// use dspinlock::{Client, Config, Tls};
///
/// let tls = Tls::new()
///     .with_ca_file("/etc/redis/ca.pem")
///     .with_client_certificate_files("/etc/redis/client.pem", "/etc/redis/client.key");
/// let config = Config::new().with_host("redis.internal").with_tls(tls);
/// let client = Client::from_config(&config)?;
/// # Ok::<(), dspinlock::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Tls {
    pub(crate) ca: Option<Pem>,
    pub(crate) cert: Option<Pem>,
    pub(crate) key: Option<Pem>,
    pub(crate) server_name: Option<String>,
}

/// Certificates or a key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Tls {
    /// Returns the defaults: the system's CAs, no certificate of this process, and the host as the server's name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the CA, or several, that are trusted in place of the system's.
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(Pem::Bytes(pem.into()));
        self
    }

    /// [`with_ca_pem`](Self::with_ca_pem), from a file.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::File(path.into()));
        self
    }

    /// Sets the certificate that this process shows to a server that asks for one (mutual TLS), with those of
    /// intermediate CAs behind it, and its private key.
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.cert = Some(Pem::Bytes(certificate.into()));
        self.key = Some(Pem::Bytes(key.into()));
        self
    }

    /// [`with_client_certificate`](Self::with_client_certificate), from files.
    pub fn with_client_certificate_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.cert = Some(Pem::File(certificate.into()));
        self.key = Some(Pem::File(key.into()));
        self
    }

    /// Sets the name or the address that the server's certificate must be for, the host's by default. For a server that is
    /// reached by another name than its own, as through a tunnel.
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca)
            .field("certificate", &self.cert)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => f.write_str("PEM"),
            Self::File(path) => path.fmt(f),
        }
    }
}
