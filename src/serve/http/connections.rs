//! Connections: how many, how long, and how they end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// How much of a request line and its headers is read; forges send some 2 KiB.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// After a connection could not be taken (no descriptors left), before the next is.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take. The defaults are for production; tests make them small.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once: some dashboards, one ingress, a forge that delivers. More wait to be taken.
    pub connections: usize,
    /// Requests under way at once; more are told to come again.
    pub requests: usize,
    /// Webhook bodies that are read at once.
    pub bodies: usize,
    /// How long a client may take for the head of a request, and a connection may idle.
    pub head: Duration,
    /// How long a request may take with its body; all that is asked meanwhile is the store.
    pub request: Duration,
    /// How long a connection lives, so that one that trickles does not live for ever.
    pub connection: Duration,
    /// How long requests that are under way may go on when the connection or the service is to end.
    pub close: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            requests: 64,
            bodies: 16,
            head: Duration::from_secs(10),
            request: Duration::from_secs(30),
            connection: Duration::from_secs(600),
            close: Duration::from_secs(5),
        }
    }
}

/// Serves until the other end of `stopped` is dropped, then lets requests that are under way end.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                connections.spawn(connection(stream, router.clone(), limits, stopped.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // What does not end in time is dropped with the set.
    let _ = tokio::time::timeout(limits.close, async { while connections.join_next().await.is_some() {} }).await;
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // How a client breaks off concerns nobody.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => {}
        () = tokio::time::sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.close, connection).await;
}
