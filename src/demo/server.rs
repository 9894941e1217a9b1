//! A server on loopback that stops when it is dropped and keeps a record of what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The largest request body that is read, in bytes: a push of a demo repository is a few KiB.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    traffic: Traffic,
    _stop: oneshot::Sender<()>,
}

/// The record of what a server was asked, shared with it.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<Vec<Exchange>>>);

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The value of `Authorization`, or of GitLab's `PRIVATE-TOKEN`, so that a test can find a secret where it must not be.
    pub authorization: Option<String>,
    /// The values of `User-Agent`.
    pub user_agents: Vec<String>,
    pub request_body: Vec<u8>,
    pub status: u16,
    /// The body's length where it is known beforehand.
    pub response_bytes: u64,
}

impl Server {
    /// Serves on a free port of 127.0.0.1.
    pub async fn start(router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let traffic = Traffic::default();
        let router = router
            .layer(axum::extract::DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .layer(axum::middleware::from_fn_with_state(traffic.clone(), record));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                result = std::future::IntoFuture::into_future(axum::serve(listener, router)) => {
                    if let Err(error) = result {
                        tracing::error!(%error, "an embedded server ended");
                    }
                }
                _ = stopped => {}
            }
        });
        Ok(Self { address, traffic, _stop: stop })
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT/`
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl Traffic {
    /// What was asked so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    /// Takes what was asked so far, and starts a new record.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn record(State(traffic): State<Traffic>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let header = request.headers().get(axum::http::header::AUTHORIZATION);
    let header = header.or_else(|| request.headers().get("private-token"));
    let authorization = header.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let user_agents = request.headers().get_all(axum::http::header::USER_AGENT).into_iter();
    let user_agents = user_agents.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let (head, body) = request.into_parts();
    let request_body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default().to_vec();
    let request = Request::from_parts(head, Body::from(request_body.clone()));
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let response_bytes = response.body().size_hint().exact().unwrap_or_default();
    traffic.lock().push(Exchange { method, path, authorization, user_agents, request_body, status, response_bytes });
    response
}

/// Whether the body of a request asks GraphQL for a change.
pub fn is_mutation(body: &[u8]) -> bool {
    /// The document of a change begins with the word.
    const MUTATION: &[u8] = b"\"query\":\"mutation";
    body.windows(MUTATION.len()).any(|part| part == MUTATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_records_and_stops() {
        let server = Server::start(Router::new().route("/a", axum::routing::get(|| async { "hello" }))).await.unwrap();
        let client = crate::net::client(&crate::net::Network::default(), crate::net::Redirects::Manual).unwrap();
        let url = format!("{}a?b=c", server.url());
        assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "hello");
        let exchanges = server.traffic().take();
        assert_eq!(exchanges.len(), 1);
        assert_eq!((exchanges[0].path.as_str(), exchanges[0].status, exchanges[0].response_bytes), ("/a?b=c", 200, 5));
        drop(server);
        tokio::task::yield_now().await;
        assert!(client.get(&url).send().await.is_err());
    }
}
