//! `network` for everything that talks: a private authority and a proxy, for registry, forge and git.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::domain::pull_request::RepositoryHead;
use refrom::forge::Forge as _;
use refrom::forge::github::{Auth, GitHub, Settings};
use refrom::git::{Base, Fetched, Git};
use refrom::net::{Network, Tally};
use refrom::registry::{Auth as RegistryAuth, DockerConfig, Registries};
use refrom::secret::Secret;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::forge::{Hosted, RETRY, SignIn, TOKEN, branch, name, select};
use crate::{git_world, registry};

// Made for these tests, for 127.0.0.1 until 2120; the authority's key was thrown away.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/keys/tls_authority_only_for_tests.pem");
const CERTIFICATE: &[u8] = include_bytes!("keys/tls_server_only_for_tests.pem");
const KEY: &[u8] = include_bytes!("keys/tls_server_only_for_tests.key.pem");
const PROXY_PASSWORD: &str = "pr0xy-p@ss/word";
/// `me:pr0xy-p@ss/word`
const PROXY_AUTHORIZATION: &str = "Basic bWU6cHIweHktcEBzcy93b3Jk";

/// One registry and one forge with its repositories, reached over TLS.
struct Internet {
    registry: Registry,
    hosted: Hosted,
    registry_url: url::Url,
    forge_url: url::Url,
    directory: tempfile::TempDir,
}

/// What each part says of a network.
struct Answers {
    registry: Result<(), String>,
    forge: Result<(), String>,
    git: Result<(), String>,
}

impl Internet {
    async fn new() -> Self {
        let registry = Registry::start(Access::Open).await.unwrap();
        registry.publish("team/web", "1", &ImageSpec::index(&["linux/amd64"], "web"));
        let hosted = Hosted::github(SignIn::Token).await;
        hosted.repository("acme/web");
        let plain = hosted.embedded.url().unwrap();
        let forge = format!("{}:{}", plain.host_str().unwrap(), plain.port().unwrap());
        Self {
            registry_url: over_tls(registry.host()).await,
            forge_url: over_tls(forge).await,
            registry,
            hosted,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    async fn answers(&self, network: &Network) -> Answers {
        Answers {
            registry: self.ask_registry(network).await,
            forge: self.ask_forge(network).await.map(drop),
            git: self.ask_git(network).await,
        }
    }

    async fn ask_registry(&self, network: &Network) -> Result<(), String> {
        let settings = registry::at(self.registry_url.as_str(), RegistryAuth::Anonymous);
        let settings = [(self.registry.host(), settings)].into();
        let registries = Registries::new(network, settings, DockerConfig::default(), registry::RETRY, Tally::default())
            .map_err(|it| chain(&it))?;
        let tag = registry::tag(&self.registry.host(), "team/web", "1");
        registries.session().digest(&tag).await.map(drop).map_err(|it| chain(&it))
    }

    fn adapter(&self, network: &Network) -> GitHub {
        let settings = Settings::new("test", self.forge_url.clone(), Auth::Token(Secret::from(TOKEN)));
        GitHub::new(Settings { network: network.clone(), retry: RETRY, ..settings }).unwrap()
    }

    async fn ask_forge(&self, network: &Network) -> Result<RepositoryHead, String> {
        let listing = self.adapter(network).repositories(&select(&["acme/web"])).await.map_err(|it| chain(&it))?;
        let problem = listing.problems.first().map(|problem| chain(&problem.error));
        listing.repositories.into_iter().next().ok_or(problem.unwrap_or_default())
    }

    async fn ask_git(&self, network: &Network) -> Result<(), String> {
        // Its own way to the forge, so that git alone is asked through this network.
        let commit = self.hosted.head("acme/web").await.head.unwrap();
        let mut remote = self.hosted.adapter.git_access(&name("acme/web")).await.unwrap();
        remote.url = self.forge_url.join(remote.url.path()).unwrap();
        let cache = tempfile::tempdir_in(self.directory.path()).unwrap();
        let settings = refrom::git::Settings { network: network.clone(), ..git_world::settings(cache.path()) };
        let git = Git::new(settings).await.map_err(|it| chain(&it))?;
        let base = Base { branch: branch("main"), commit };
        let fetched = git.repository("test", &name("acme/web")).fetch(&remote, &base).await.map_err(|it| chain(&it))?;
        assert_eq!(fetched, Fetched::Anew);
        Ok(())
    }
}

impl Answers {
    fn all(self) -> [(&'static str, Result<(), String>); 3] {
        [("registry", self.registry), ("forge", self.forge), ("git", self.git)]
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The https URL of a front for a plain server.
async fn over_tls(target: String) -> url::Url {
    let certificates = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(certificates, PrivateKeyDer::from_pem_slice(KEY).unwrap()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move { join(acceptor.accept(stream).await?, &target).await });
        }
    });
    url
}

async fn join(mut stream: impl AsyncRead + AsyncWrite + Unpin, target: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut server).await.map(drop)
}

/// A proxy (RFC 9110, section 9.3.6) for who knows the password: its URL, and how often it let somebody through.
async fn proxy() -> (url::Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let passed = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass(stream, Arc::clone(&passed)));
        }
    });
    (url, count)
}

async fn pass(stream: TcpStream, passed: Arc<AtomicUsize>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (Vec::new(), String::new());
        while stream.read_line(&mut line).await? > 2 {
            head.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        let Some(target) = head.first().and_then(|first| first.strip_prefix("CONNECT ")) else { return Ok(()) };
        let mut fields = head.iter().filter_map(|line| line.split_once(": "));
        let is_known = fields
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == PROXY_AUTHORIZATION);
        if is_known {
            passed.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            return join(stream, target.split(' ').next().unwrap()).await;
        }
        let refusal =
            "HTTP/1.1 407 Who are you\r\nproxy-authenticate: Basic realm=\"proxy\"\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal.as_bytes()).await?;
    }
}

fn trusting() -> Network {
    Network { ca_file: Some(AUTHORITY.into()), ..Network::default() }
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_all_where_it_is_named() {
    let internet = Internet::new().await;
    for (part, answer) in internet.answers(&trusting()).await.all() {
        answer.unwrap_or_else(|error| panic!("{part}: {error}"));
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_said_so() {
    let internet = Internet::new().await;
    for (part, answer) in internet.answers(&Network::default()).await.all() {
        let error = answer.expect_err(part);
        assert!(error.contains("certificate"), "{part}: {error}");
    }
}

#[tokio::test]
async fn all_go_through_the_proxy_and_nobody_shows_its_password() {
    let internet = Internet::new().await;
    let (url, passed) = proxy().await;
    let network = |password: &str| Network {
        proxy: Some(url.clone()),
        proxy_auth: Some(("me".to_owned(), Secret::from(password))),
        ..trusting()
    };
    for (part, answer) in internet.answers(&network("wr0ng-secret")).await.all() {
        let error = answer.expect_err(part);
        assert!(!error.contains("wr0ng-secret"), "{part}: {error}");
    }
    assert_eq!(passed.load(Ordering::SeqCst), 0);
    let known = network(PROXY_PASSWORD);
    assert!(!format!("{known:?}").contains(PROXY_PASSWORD));
    internet.ask_registry(&known).await.unwrap();
    let after_registry = passed.load(Ordering::SeqCst);
    internet.ask_forge(&known).await.unwrap();
    let after_forge = passed.load(Ordering::SeqCst);
    internet.ask_git(&known).await.unwrap();
    assert!(0 < after_registry && after_registry < after_forge && after_forge < passed.load(Ordering::SeqCst));
}
