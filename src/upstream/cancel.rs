//! Cancel requests go to every server: their keys are the servers' own, so no replica of the proxy has to remember them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connect::connect_to;
use crate::config::settings::{ServerTls, Settings};
use crate::wire::startup::CancelRequest;

/// Sends the request to every host of every upstream and waits until they have closed, which says that the signal is sent. A server that does
/// not know the key does nothing. Not cancel safe: what was not sent yet is not sent.
pub async fn forward(request: &CancelRequest, settings: &Settings) {
    let mut targets: Vec<(&String, &ServerTls)> = Vec::new();
    for target in settings.upstreams.iter().flat_map(|upstream| upstream.hosts.iter().map(|host| (host, &upstream.tls))) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let mut sends = JoinSet::new();
    for (host, tls) in targets {
        sends.spawn(send(request.clone(), host.clone(), tls.clone(), settings.timeouts.connect));
    }
    while sends.join_next().await.is_some() {}
}

/// To one host. Nobody can be told of a failure: a cancel request has no answer.
async fn send(request: CancelRequest, host: String, tls: ServerTls, limit: Duration) {
    let Ok(mut stream) = connect_to(&host, &tls, limit).await.inspect_err(|error| tracing::debug!(host, %error, "cancel request not sent")) else {
        return;
    };
    let deliver = async {
        stream.write_all(&request.packet).await?;
        stream.flush().await?;
        stream.read(&mut [0]).await
    };
    if !matches!(timeout(limit, deliver).await, Ok(Ok(_))) {
        tracing::debug!(host, "cancel request may not have arrived");
    }
}
