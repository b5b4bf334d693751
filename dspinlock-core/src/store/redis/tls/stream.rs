//! TLS: what is trusted, and how a connection is opened over it.
//!
//! The `redis` crate could do it, and would read the system's certificates at each connection, also those that are not to be
//! trusted, panic where the process has no cryptography or two of them, and take the host for the server's name.

use super::super::refusal::{inner, misconfigured};
use super::{Driver, Opened, TlsParts, refused};
use crate::error::Result;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisError, RedisResult};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    /// The server's name, if it is not the host's.
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// Makes it of the parts, which are read only in a build that has TLS.
    ///
    /// # Errors
    ///
    /// `Config` for certificates, a key or a name that can't be used, and without cryptography.
    pub(crate) fn new(parts: impl FnOnce() -> Result<TlsParts>) -> Result<Self> {
        let parts = parts()?;
        let roots = match &parts.ca {
            Some(pem) => given(pem)?,
            None => of_the_system()?,
        };
        let config = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|_| {
                refused("the program's cryptography has no version of TLS in common with this library")
            })?
            .with_root_certificates(roots);
        let config = match &parts.client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "`tls_cert`")?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
                    refused("`tls_key` has no private key in PEM that can be read; an encrypted one can't be used")
                })?;
                config.with_client_auth_cert(chain, key).map_err(|_| {
                    refused("the key in `tls_key` is not that of the certificate in `tls_cert`")
                })?
            }
        };
        let server_name =
            match &parts.server_name {
                None => None,
                Some(name) => {
                    let name = ServerName::try_from(name.clone());
                    Some(name.map_err(|_| {
                        refused("`tls_server_name` is neither a name of a host nor an address")
                    })?)
                }
            };
        Ok(Self { connector: Arc::new(config).into(), server_name })
    }

    /// Opens a connection, without a time limit.
    pub(crate) async fn open(
        &self,
        info: &ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<Opened> {
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(misconfigured("TLS needs a host and a port".to_owned()));
        };
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.clone()).map_err(|_| {
                misconfigured(
                    "the host is no name that a certificate can be for; write `tls_server_name`".to_owned(),
                )
            })?,
        };
        let stream = connect(host, *port).await?;
        let stream = self.connector.connect(name, stream).await?;
        let opening = MultiplexedConnection::new_with_config(info.redis_settings(), stream, config.clone());
        let (connection, driver) = opening.await?;
        Ok((connection, Some(Driver::spawn(driver))))
    }
}

/// The cryptography that features bring, the preferred one first.
const BROUGHT: &[fn() -> CryptoProvider] = &[
    #[cfg(feature = "tls-aws-lc")]
    rustls::crypto::aws_lc_rs::default_provider,
    #[cfg(feature = "tls-ring")]
    rustls::crypto::ring::default_provider,
];

/// Gives the process a cryptography, unless it has one: the `redis` crate panics where there is none, or several to choose from.
pub(crate) fn provide() {
    if let Some(make) = BROUGHT.first() {
        // An error says that there is one.
        let _ = make().install_default();
    }
}

/// The cryptography that the program chose, or else the one that a feature brings.
fn provider() -> Result<Arc<CryptoProvider>> {
    let chosen = CryptoProvider::get_default().map(Arc::clone);
    chosen.or_else(|| BROUGHT.first().map(|make| Arc::new(make()))).ok_or_else(|| {
        refused(
            "TLS has no cryptography here: turn on the feature `tls-ring` or `tls-aws-lc` of `dspinlock`, or install one by \
             `rustls::crypto::CryptoProvider::install_default` before the client is made",
        )
    })
}

fn given(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "`tls_ca`")? {
        roots.add(certificate).map_err(|_| refused("`tls_ca` has a certificate that can't be used"))?;
    }
    Ok(roots)
}

fn of_the_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Some of the system's may be too old to be read; the others do.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(refused(
            "the system has no certificates of CAs: install them (in most systems the package `ca-certificates`), or write `tls_ca`",
        ));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(refused(format!("{name} has no certificate in PEM that can be read"))),
    }
}

/// Connects to the first address of the host that answers.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut attempts: JoinSet<_> =
        tokio::net::lookup_host((host, port)).await?.map(TcpStream::connect).collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    while let Some(attempt) = attempts.join_next().await {
        // A runtime without I/O panics there, and is to be seen as such.
        match attempt.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(ended) => Err(io::Error::other(ended)),
        }) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The error with what to change, if it is one that lasts until somebody changes something.
pub(crate) fn explained(error: RedisError) -> RedisError {
    let Some(tls) = inner(&error).and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return error;
    };
    match change(tls) {
        Some(change) => misconfigured(format!("{tls}; {change}")),
        None => error,
    }
}

/// What to change after this error; `None` if it may pass.
fn change(error: &rustls::Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    use rustls::Error::{
        AlertReceived, InappropriateHandshakeMessage, InappropriateMessage, InvalidCertificate,
        InvalidMessage as Invalid, PeerIncompatible,
    };
    Some(match error {
        // A CA of the same name as the right one, or none that is known.
        InvalidCertificate(CertificateError::BadSignature | CertificateError::UnknownIssuer) => {
            "no trusted CA has signed the server's certificate: give its CA, by `tls_ca` or `Tls::with_ca_file`"
        }
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "write the host as the certificate names it, or that name as `tls_server_name`",
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server needs a new certificate, or the clock of this machine is wrong"
        }
        InvalidCertificate(_) => "the server's certificate can't be trusted",
        AlertReceived(Alert::CertificateRequired) => {
            "the server asks for a certificate: give one, by `tls_cert` and `tls_key` or `Tls::with_client_certificate`"
        }
        AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => "the server does not take this process's certificate, in `tls_cert`",
        AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity)
        | PeerIncompatible(_) => {
            "the server asks for a certificate (`tls_cert` and `tls_key`), or speaks no TLS that this library takes: 1.2 or 1.3"
        }
        AlertReceived(Alert::UnrecognisedName) => {
            "the server does not know the name; write another host, or `tls_server_name`"
        }
        Invalid(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)
        | InappropriateMessage { .. }
        | InappropriateHandshakeMessage { .. } => {
            "what answers there speaks no TLS: correct the host and the port, or write `redis://` for a server without TLS"
        }
        _ => return None,
    })
}
