//! Servers that speak TLS, and certificates for them.

use std::ops::Deref;
use std::path::PathBuf;
use std::{fmt, fs};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::server::{Server, StartError, new_dir, random_port};

/// A certificate authority of one test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes one that nobody else trusts.
    ///
    /// # Panics
    /// If the cryptography fails.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate of an authority"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Makes a certificate for names and addresses.
    ///
    /// # Panics
    /// As [`Authority::new`], or if one of `names` is no name.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&params(names))
    }

    /// Makes a certificate that was good for the year 2000.
    ///
    /// # Panics
    /// As [`Authority::issue`].
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2000, 12, 31);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("names of hosts, or addresses")
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A [`Server`] with one port more, where it speaks TLS. The other one is that of [`Server::command`].
#[derive(Debug)]
pub struct TlsServer {
    server: Server,
    port: u16,
    files: PathBuf,
}

impl Server {
    /// Starts a server that speaks TLS and shows `identity`. It asks for certificates of `clients`, if that is given.
    ///
    /// # Panics
    /// As [`Server::start`], or if the server is built without TLS.
    pub fn start_tls(identity: &Identity, clients: Option<&Authority>) -> TlsServer {
        Self::start_tls_with(identity, clients, &[])
    }

    /// [`Server::start_tls`] with options, as [`Server::start_with`] takes them.
    ///
    /// # Panics
    /// As [`Server::start_tls`].
    pub fn start_tls_with(identity: &Identity, clients: Option<&Authority>, args: &[&str]) -> TlsServer {
        let mut last = None;
        // Another process may take the port before the server does.
        for _ in 0..5 {
            match TlsServer::try_start(identity, clients, args) {
                Ok(server) => return server,
                Err(error) => last = Some(error),
            }
        }
        panic!("a private server that speaks TLS is needed here: {}", last.expect("it was tried"));
    }
}

impl TlsServer {
    fn try_start(
        identity: &Identity,
        clients: Option<&Authority>,
        args: &[&str],
    ) -> Result<Self, StartError> {
        let port = random_port();
        let failed =
            |error: std::io::Error| StartError::Failed(format!("no directory for the certificates: {error}"));
        let files = new_dir(&std::env::temp_dir(), port).map_err(failed)?;
        let path = |name: &str| files.join(name).display().to_string();
        let (certificate, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
        fs::write(&certificate, &identity.certificate).map_err(failed)?;
        fs::write(&key, &identity.key).map_err(failed)?;
        // The server wants one in any case.
        fs::write(&ca, clients.map_or_else(|| identity.certificate.clone(), Authority::pem))
            .map_err(failed)?;
        let port_text = port.to_string();
        let asks = if clients.is_some() { "yes" } else { "no" };
        let mut all = vec!["--tls-port", &*port_text, "--tls-auth-clients", asks];
        all.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca]);
        all.extend(args);
        match Server::try_start_with(&all) {
            Ok(server) => Ok(Self { server, port, files }),
            Err(error) => {
                let _ = fs::remove_dir_all(&files);
                Err(error)
            }
        }
    }

    /// Its address by the name `localhost`: `rediss://localhost:PORT/0`, without parameters.
    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}/0", self.port)
    }

    /// The port where it speaks TLS.
    pub fn tls_port(&self) -> u16 {
        self.port
    }

    /// A directory that lasts as long as this server, with its files and for those of a test.
    pub fn files(&self) -> &std::path::Path {
        &self.files
    }
}

impl Deref for TlsServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.files);
    }
}
