//! What TLS is made of, and what opens connections over it.

use crate::error::{Error, ErrorKind};
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use tokio::task::JoinSet;

#[cfg(feature = "tls")]
mod stream;
#[cfg(feature = "tls")]
pub(super) use stream::explained;
#[cfg(feature = "tls")]
pub(crate) use stream::{Tls, provide};

/// Certificates and keys, in PEM.
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nothing reads them in a build without TLS"))]
pub(crate) struct TlsParts {
    /// What is trusted in place of the system's CAs.
    pub(crate) ca: Option<Vec<u8>>,
    /// The certificate of this process, and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
    /// The server's name, if it is not the host's.
    pub(crate) server_name: Option<String>,
}

/// A connection, and its driver unless it sees to that itself.
pub(crate) type Opened = (MultiplexedConnection, Option<Driver>);

/// The task that drives a connection, and ends with the last one of these.
#[derive(Clone)]
pub(crate) struct Driver(
    #[expect(dead_code, reason = "the set ends its task when it is dropped")] Arc<JoinSet<()>>,
);

impl Driver {
    #[cfg(feature = "tls")]
    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        let mut task = JoinSet::new();
        task.spawn(driver);
        Self(Arc::new(task))
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// A build without TLS has none to open connections with.
#[cfg(not(feature = "tls"))]
mod absent {
    use super::{Opened, TlsParts, refused};
    use crate::error::Result;
    use redis::{AsyncConnectionConfig, ConnectionInfo, RedisError, RedisResult};

    #[derive(Clone)]
    pub(crate) enum Tls {}

    pub(crate) fn explained(error: RedisError) -> RedisError {
        error
    }

    pub(crate) fn provide() {}

    impl Tls {
        pub(crate) fn new(_: impl FnOnce() -> Result<TlsParts>) -> Result<Self> {
            Err(refused(
                "this build has no TLS: turn on the feature `tls-ring` or `tls-aws-lc` of `dspinlock`, or write `redis://`",
            ))
        }

        pub(crate) fn open(
            &self,
            _: &ConnectionInfo,
            _: &AsyncConnectionConfig,
        ) -> std::future::Ready<RedisResult<Opened>> {
            match *self {}
        }
    }
}
#[cfg(not(feature = "tls"))]
pub(super) use absent::explained;
#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Tls, provide};
