//! `POST /webhooks/…`: who proves to be who he says he is wakes what he names.
//!
//! The order keeps what strangers can ask for small: name and secret come before the body wherever the proof is not
//! over the body, and nothing is parsed before it is proved.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use secrecy::SecretString;

use super::{answer, guard};
use crate::config::{ForgeConfig, WebhookConfig, WebhookKind};
use crate::cycle::Parts;
use crate::secret::Secret;
use crate::serve::proof;
use crate::serve::service::Service;
use crate::serve::wake::Wake;
use crate::serve::webhook::{self, Delivery, Ignored, News, Outcome, Targets, Unusable};

/// The source in counters where the configuration has none of that name: names that strangers make up are not counted
/// one by one.
const UNKNOWN_SOURCE: &str = "unknown";
const GITHUB_EVENT: &str = "x-github-event";
const GITHUB_DELIVERY: &str = "x-github-delivery";
const GITHUB_SIGNATURE: &str = "x-hub-signature-256";
const GITLAB_TOKEN: &str = "x-gitlab-token";
/// The same for each retry of a delivery; older GitLabs have the second alone.
const GITLAB_DELIVERY: [&str; 2] = ["idempotency-key", "x-gitlab-event-uuid"];
/// CloudEvents, "HTTP Protocol Binding".
const CLOUD_EVENT_TYPE: &str = "ce-type";
const CLOUD_EVENT_ID: &str = "ce-id";

/// `/webhooks/{forge}`.
pub async fn forge(State(service): State<Arc<Service>>, Path(name): Path<String>, request: Request) -> Response {
    let parts = service.parts();
    let uri = request.uri().clone();
    let Some(forge) = parts.config.forges.iter().find(|forge| forge.name == name) else {
        return ended(&service, UNKNOWN_SOURCE, Outcome::NotFound, &uri);
    };
    let outcome = match &forge.webhook_secret {
        Some(secret) => from_forge(&service, &parts, forge, secret, request).await,
        None => Outcome::NotConfigured,
    };
    ended(&service, &forge.name, outcome, &uri)
}

/// `/webhooks/registries/{name}`.
pub async fn registry(State(service): State<Arc<Service>>, Path(name): Path<String>, request: Request) -> Response {
    told_by_registry(&service, &name, None, request).await
}

/// `/webhooks/registries/{name}/{secret}`, for those who can prove nothing else.
pub async fn registry_with_secret(
    State(service): State<Arc<Service>>,
    Path((name, secret)): Path<(String, String)>,
    request: Request,
) -> Response {
    told_by_registry(&service, &name, Some(secret.into()), request).await
}

/// GitLab sends its secret, GitHub signs with it: which of them it is, the headers tell, and neither way is open to who
/// does not know the secret.
async fn from_forge(
    service: &Service,
    parts: &Parts,
    forge: &ForgeConfig,
    secret: &Secret,
    request: Request,
) -> Outcome {
    let Some(secret) = read_secret(secret) else { return Outcome::NotConfigured };
    let headers = request.headers().clone();
    let source = forge.name.as_str();
    let news = if let Some(token) = headers.get(GITLAB_TOKEN) {
        if !proof::is_secret(&secret, token.as_bytes()) {
            return Outcome::Refused;
        }
        let body = match body(service, request).await {
            Ok(body) => body,
            Err(outcome) => return outcome,
        };
        let delivery = GITLAB_DELIVERY.iter().find_map(|name| text(&headers, name));
        if has_seen(service, source, delivery.as_slice()) {
            return Outcome::Replayed;
        }
        webhook::parse_gitlab(&body)
    } else {
        let body = match body(service, request).await {
            Ok(body) => body,
            Err(outcome) => return outcome,
        };
        let event = match signed_event(service, source, &secret, &headers, &body) {
            Ok(event) => event,
            Err(outcome) => return outcome,
        };
        webhook::parse_github(event, &body)
    };
    let fleet = service.fleet();
    let targets = Targets { config: &parts.config, fleet: fleet.as_deref() };
    wake(service, parts, news.map(|news| targets.of_forge(forge, news))).await
}

async fn told_by_registry(service: &Service, name: &str, secret: Option<SecretString>, request: Request) -> Response {
    let parts = service.parts();
    // The address may hold the secret: only what comes before it is ever shown.
    let uri = Uri::from_static("/webhooks/registries");
    let Some(config) = parts.config.serve.webhooks.iter().find(|webhook| webhook.name == name) else {
        return ended(service, UNKNOWN_SOURCE, Outcome::NotFound, &uri);
    };
    let outcome = from_registry(service, &parts, config, secret, request).await;
    ended(service, &config.name, outcome, &uri)
}

async fn from_registry(
    service: &Service,
    parts: &Parts,
    config: &WebhookConfig,
    in_address: Option<SecretString>,
    request: Request,
) -> Outcome {
    use secrecy::ExposeSecret as _;
    let Some(secret) = read_secret(&config.secret) else { return Outcome::NotConfigured };
    let headers = request.headers().clone();
    let is_proved = match config.kind {
        // Signed: the proof is over the body.
        WebhookKind::GithubPackages => in_address.is_none(),
        WebhookKind::Harbor => {
            let given = headers.get(AUTHORIZATION).filter(|_| in_address.is_none());
            given.is_some_and(|given| proof::is_secret(&secret, given.as_bytes()))
        }
        // Chainguard's JWT proves nothing without keys that its issuer serves and changes. A wake-up is looked up
        // anyway: the address is enough.
        WebhookKind::DockerHub | WebhookKind::Quay | WebhookKind::Chainguard => {
            in_address.is_some_and(|given| proof::is_secret(&secret, given.expose_secret().as_bytes()))
        }
    };
    if !is_proved {
        return Outcome::Refused;
    }
    let body = match body(service, request).await {
        Ok(body) => body,
        Err(outcome) => return outcome,
    };
    let event = if config.kind == WebhookKind::GithubPackages {
        match signed_event(service, &config.name, &secret, &headers, &body) {
            Ok(event) => Some(event),
            Err(outcome) => return outcome,
        }
    } else {
        if has_seen(service, &config.name, text(&headers, CLOUD_EVENT_ID).as_slice()) {
            return Outcome::Replayed;
        }
        text(&headers, CLOUD_EVENT_TYPE)
    };
    let news = webhook::parse_registry(config.kind, Delivery { event, body: &body });
    let targets = Targets { config: &parts.config, fleet: None };
    wake(service, parts, news.map(|news: News| targets.of_registry(&config.registry, news))).await
}

/// The name of a signed event that did not come before. The signature is remembered with the delivery's id, because it
/// does not cover that.
fn signed_event<'a>(
    service: &Service,
    source: &str,
    secret: &SecretString,
    headers: &'a HeaderMap,
    body: &[u8],
) -> Result<&'a str, Outcome> {
    let signature = text(headers, GITHUB_SIGNATURE).ok_or(Outcome::Refused)?;
    if !proof::is_signed(secret, body, signature) {
        return Err(Outcome::Refused);
    }
    let identities: Vec<&str> = [Some(signature), text(headers, GITHUB_DELIVERY)].into_iter().flatten().collect();
    if has_seen(service, source, &identities) {
        return Err(Outcome::Replayed);
    }
    text(headers, GITHUB_EVENT).ok_or(Outcome::Malformed)
}

/// Wakes what the news is about. An image that nobody pins wakes nobody.
async fn wake(service: &Service, parts: &Parts, news: Result<Result<Vec<Wake>, Ignored>, Unusable>) -> Outcome {
    let wakes = match news {
        Ok(Ok(wakes)) => wakes,
        Ok(Err(Ignored::Nothing)) => return Outcome::Ignored,
        Ok(Err(Ignored::UnknownName)) => return Outcome::UnknownName,
        Err(Unusable::UnknownEvent) => return Outcome::UnknownEvent,
        Err(Unusable::Malformed) => return Outcome::Malformed,
    };
    let mut outcome = Outcome::UnknownName;
    for wake in wakes {
        let matters = match &wake {
            Wake::Image(image) => parts.store.is_followed(image).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the store did not answer");
                true
            }),
            Wake::Repository(_) | Wake::ByHand(_) | Wake::Everything => true,
        };
        if matters {
            service.wakes.wake(wake);
            outcome = Outcome::Woken;
        }
    }
    outcome
}

/// Reads the body within its limits.
async fn body(service: &Service, request: Request) -> Result<Bytes, Outcome> {
    let Ok(_place) = service.bodies.try_acquire() else { return Err(Outcome::Busy) };
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
        _ => Outcome::Malformed,
    })
}

fn has_seen(service: &Service, source: &str, identities: &[&str]) -> bool {
    let identities: Vec<&[u8]> = identities.iter().map(|identity| identity.as_bytes()).collect();
    service.replays.lock().unwrap_or_else(PoisonError::into_inner).has_seen(source, &identities)
}

fn read_secret(secret: &Secret) -> Option<SecretString> {
    secret.read().inspect_err(|error| tracing::error!(%error, "a webhook's secret cannot be read")).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Counts, logs and answers. Nothing of the payload is shown, and nothing of an address that may hold a secret.
fn ended(service: &Service, source: &str, outcome: Outcome, uri: &Uri) -> Response {
    service.setup.instruments.webhook(source, outcome);
    let (status, message) = match outcome {
        Outcome::Woken => (StatusCode::ACCEPTED, "woken: it is looked up now"),
        Outcome::Ignored => (StatusCode::OK, "ignored: nothing that matters here"),
        Outcome::Replayed => (StatusCode::OK, "ignored: it came before"),
        Outcome::UnknownEvent => (StatusCode::OK, "ignored: an event that is not asked for"),
        Outcome::UnknownName => (StatusCode::OK, "ignored: nothing that the configuration selects"),
        Outcome::NotFound => (StatusCode::NOT_FOUND, "the configuration has no webhook of this name"),
        Outcome::NotConfigured => (StatusCode::FORBIDDEN, "the configuration has no secret for this webhook"),
        Outcome::Refused => (StatusCode::UNAUTHORIZED, "the signature or the secret is wrong or missing"),
        Outcome::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Outcome::Malformed => (StatusCode::BAD_REQUEST, "the body is not what this event has; send JSON"),
        Outcome::Busy => return guard::busy(uri),
    };
    match outcome {
        Outcome::Woken => tracing::info!(source, "woken by a webhook"),
        Outcome::Ignored | Outcome::Replayed | Outcome::UnknownEvent | Outcome::UnknownName => {
            tracing::debug!(source, outcome = outcome.as_str(), "a webhook was ignored");
        }
        _ => tracing::warn!(source, outcome = outcome.as_str(), "a webhook was refused"),
    }
    answer::text(status, message)
}
