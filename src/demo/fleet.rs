//! A small organization for the demo: an embedded registry with hardened images, an embedded forge with three
//! repositories that pin them in the forms that are found in the wild, and the configuration that a real one would
//! have.

use std::path::{Path, PathBuf};

use super::forge::{Forge, ForgeSetupError};
use super::git_repository::{BareRepository, Content, RepositoryError};
use super::registry::{Access, ImageSpec, Registry};
use crate::domain::digest::Digest;
use crate::domain::pull_request::{BranchName, NameError, RepoName};

/// The hosts that the embedded registry answers for, each under a path of its own.
const HOSTS: [&str; 4] = ["dhi.io", "docker.io", "cgr.dev", "registry.access.redhat.com"];
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];
/// Known to the embedded servers alone; they are given to refrom as its environment.
const FORGE_TOKEN: (&str, &str) = ("REFROM_DEMO_FORGE_TOKEN", "demo-forge-token");
const REGISTRY_PASSWORD: (&str, &str) = ("REFROM_DEMO_REGISTRY_PASSWORD", "demo-registry-password");
const REGISTRY_USER: &str = "acme";
const BRANCH: &str = "main";

/// The running organization. Dropping it ends its servers; its folder stays.
#[derive(Debug)]
pub struct Fleet {
    pub registry: Registry,
    pub forge: Forge,
    /// `refrom.yaml`, with the servers' addresses.
    pub configuration: PathBuf,
}

/// Why the demo's organization could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(transparent)]
    Forge(#[from] ForgeSetupError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("cannot set up the demo")]
    Io(#[from] std::io::Error),
}

/// An image of the demo: host, path, tag, resolved version and build date.
#[derive(Debug, Clone, Copy)]
pub struct DemoImage {
    pub host: &'static str,
    pub path: &'static str,
    pub tag: &'static str,
}

pub const NGINX: DemoImage = DemoImage { host: "dhi.io", path: "nginx", tag: "1.27-alpine" };
const SYNTAX: DemoImage = DemoImage { host: "docker.io", path: "docker/dockerfile", tag: "1" };
const GOLANG: DemoImage = DemoImage { host: "dhi.io", path: "golang", tag: "1.24-dev" };
const STATIC: DemoImage = DemoImage { host: "cgr.dev", path: "chainguard/static", tag: "latest" };
const UBI: DemoImage = DemoImage { host: "registry.access.redhat.com", path: "ubi9/ubi-minimal", tag: "9.6" };
const IMAGES: [DemoImage; 5] = [NGINX, SYNTAX, GOLANG, STATIC, UBI];

impl Fleet {
    /// Starts the servers, fills them, and writes the configuration into `folder`. Every tag has moved since the
    /// repositories pinned it.
    pub async fn start(folder: &Path) -> Result<Self, FleetError> {
        let registry = Registry::start(Access::bearer(REGISTRY_USER, REGISTRY_PASSWORD.1)).await?;
        let forge = Forge::start(folder.join("forge")).await?;
        forge.add_user("refrom", FORGE_TOKEN.1);
        let fleet = Self { registry, forge, configuration: folder.join("refrom.yaml") };
        let pinned: Vec<Digest> = IMAGES.iter().map(|image| fleet.release(*image, "1", "2026-10-01")).collect();
        if let [nginx, syntax, golang, distroless, ubi] = pinned.as_slice() {
            fleet.repository("acme/web", &[("Dockerfile", web(syntax, golang, nginx))])?;
            fleet.repository(
                "acme/payments",
                &[("build/Containerfile", payments(ubi)), (".refrom.yaml", OWN.to_owned())],
            )?;
            fleet.repository("acme/tools", &[("Makefile", tools(distroless)), ("Dockerfile", unknown(nginx))])?;
        }
        for image in IMAGES {
            fleet.release(image, "2", "2026-11-02");
        }
        std::fs::write(&fleet.configuration, fleet.yaml()?)?;
        Ok(fleet)
    }

    /// The environment that refrom runs in.
    pub fn environment(name: &str) -> Option<String> {
        let known = [FORGE_TOKEN, REGISTRY_PASSWORD];
        known.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// The vendor publishes a build: the tag moves to a new digest.
    pub fn release(&self, image: DemoImage, build: &str, date: &str) -> Digest {
        let version = format!("{}.{build}", image.tag.split('-').next().unwrap_or(image.tag));
        let mut spec = ImageSpec::index(&PLATFORMS, &format!("{} {build}", image.path));
        spec.version = Some(version);
        spec.created = Some(format!("{date}T04:00:00Z"));
        self.registry.publish(&format!("{}/{}", image.host, image.path), image.tag, &spec)
    }

    /// A repository of the demo.
    pub fn bare(&self, name: &RepoName) -> Result<BareRepository, FleetError> {
        Ok(self.forge.repository(name)?)
    }

    fn repository(&self, name: &str, files: &[(&str, String)]) -> Result<(), FleetError> {
        let name: RepoName = name.parse()?;
        let branch: BranchName = BRANCH.parse()?;
        let files: Vec<(&str, Content<'_>)> =
            files.iter().map(|(path, text)| (*path, Content::File(text.as_bytes()))).collect();
        self.forge.add_repository(&name)?.commit(&branch, &files, "Pin base images")?;
        Ok(())
    }

    fn yaml(&self) -> Result<String, FleetError> {
        let (registry, forge) = (self.registry.url(), self.forge.url()?);
        let endpoints = HOSTS.iter().map(|host| format!("  {host}: {{ endpoint: \"{registry}{host}\" }}\n"));
        let endpoints: String = endpoints.collect();
        Ok(format!(
            r#"# The demo's configuration: what an organization would write, with addresses on this machine.
state_dir: ./state
forges:
  - name: acme-forge
    kind: github
    url: {forge}
    auth: {{ token: {{ env: {token} }} }}
    repositories: {{ include: ["acme/*"] }}
    write_interval: 0s
registries:
{endpoints}  "{host}": {{ auth: {{ username: {REGISTRY_USER}, password: {{ env: {password} }} }} }}
policy:
  labels: [base-image]
  patterns:
    - files: ["Makefile"]
      regex: '(?m)^(?P<comment>#.*)\nBASE := (?P<image>[^@:\s]+)@(?P<digest>sha256:[0-9a-f]{{64}})$'
"#,
            token = FORGE_TOKEN.0,
            password = REGISTRY_PASSWORD.0,
            host = self.registry.host(),
        ))
    }
}

/// What the owners of one repository set themselves.
const OWN: &str = "# refrom: what we want of it\nlabels: [base-image, payments]\n";

fn web(syntax: &Digest, golang: &Digest, nginx: &Digest) -> String {
    format!(
        "# syntax=docker/dockerfile:1@{syntax}\n\
         \n\
         FROM dhi.io/golang:1.24-dev@{golang} AS build\n\
         COPY . /src\n\
         RUN go build -o /out/web /src\n\
         \n\
         # base image: nginx 1.27-alpine (1.27.1)\n\
         FROM dhi.io/nginx@{nginx}\n\
         COPY --from=build /out/web /usr/bin/web\n"
    )
}

fn payments(ubi: &Digest) -> String {
    let prefix: String = ubi.hex().chars().take(8).collect();
    format!(
        "# Tag for digest {prefix} is: ubi-minimal 9.6 as of 2026-10-01\n\
         ARG BASE_DIGEST={ubi}\n\
         FROM --platform=linux/amd64 registry.access.redhat.com/ubi9/ubi-minimal@${{BASE_DIGEST}}\n\
         # FROM ubuntu:22.04\n\
         COPY target/payments /usr/bin/payments\n"
    )
}

fn tools(distroless: &Digest) -> String {
    format!(
        "# chainguard/static:latest\nBASE := cgr.dev/chainguard/static@{distroless}\n\nbuild:\n\t./build.sh $(BASE)\n"
    )
}

/// A pin that nobody says the tag of: reported, never guessed.
fn unknown(nginx: &Digest) -> String {
    format!("FROM dhi.io/nginx@{nginx}\n")
}
