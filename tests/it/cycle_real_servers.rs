//! Whole cycles where the registry is Debian's `docker-registry` and git is the real `git http-backend`. The forge's
//! API stays embedded, over the same bare repositories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use base64::Engine as _;

use crate::cycle::world::{BRANCH, FORGE_TOKEN, REGISTRY_PASSWORD, SignIn, World, image_spec, name, nginx};
use crate::git_world::{self, Face};
use crate::registry_debian::DebianRegistry;

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

/// Paths of git go to `git http-backend`, for whoever has the token; everything else to the forge.
fn front(root: PathBuf, forge: Router) -> Router {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{FORGE_TOKEN}"));
    let allowed: Arc<str> = format!("Basic {basic}").into();
    let root: Arc<Path> = root.into();
    forge.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        let (allowed, root) = (Arc::clone(&allowed), Arc::clone(&root));
        async move {
            if !request.uri().path().contains(".git/") {
                return next.run(request).await;
            }
            match request.headers().get(header::AUTHORIZATION) {
                Some(value) if value.as_bytes() == allowed.as_bytes() => git_world::cgi(&root, request).await,
                _ => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")]).into_response(),
            }
        }
    }))
}

#[tokio::test]
async fn a_cycle_on_real_servers() {
    let Some(registry) = DebianRegistry::start(Some(("acme", REGISTRY_PASSWORD))) else { return };
    if !git_world::faces().contains(&Face::Backend) {
        return;
    }
    let release = async |build: &str| registry.push(IMAGE, "1.27", &image_spec(IMAGE, "1.27", build).build()).await;
    let mut world = World::behind(SignIn::Token, front).await;
    world.use_registry(registry.host());
    let first = release("1").await;
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first)), (".refrom.yaml", "labels: [web]\n")]);
    world.run().await;
    world.expect_pull_requests(WEB, &[]);

    let second = release("2").await;
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));

    world.run().await;
    assert_eq!((world.costs().git, world.costs().writes), (0, 0));

    let third = release("3").await;
    world.forget();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));

    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.expect_branches(WEB, &[]);

    let fourth = release("4").await;
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.4", &fourth));
    assert_eq!(world.file(WEB, BRANCH, "Dockerfile"), nginx("1.27.4", &fourth));
    world.finish();
}
