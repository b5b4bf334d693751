//! One connection to one server.

use super::tls::{Opened, Tls};
use redis::{AsyncConnectionConfig, Client, RedisResult};

/// Opens a connection, over TLS or not.
pub(super) async fn connect(
    client: &Client,
    tls: Option<&Tls>,
    config: &AsyncConnectionConfig,
) -> RedisResult<Opened> {
    match tls {
        Some(tls) => tls.open(client.get_connection_info(), config).await,
        None => Ok((client.get_multiplexed_async_connection_with_config(config).await?, None)),
    }
}
