//! The status page in a real browser: Debian's chromium, without a window, on loopback.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use refrom::demo::server::Server;
use refrom::domain::status::FleetStatus;
use refrom::serve::page::{StatusState, routes};
use refrom::store::{SqliteStore, Store as _};

use crate::page::{Still, fleet, now};
use crate::status::waves;

const PROGRAM: &str = "/usr/bin/chromium";
/// Where this names a folder, the page is drawn into it for people to look at: light and dark, wide and narrow.
const DRAW_INTO: &str = "REFROM_TEST_DRAW_INTO";

/// What the browser said besides the document.
struct Visit {
    document: String,
    /// What the page's console says: refused by the policy, not found.
    console: Vec<String>,
}

/// `false`, with a word about it, where there is no browser and nobody insists (`CI`).
fn has_browser() -> bool {
    if Path::new(PROGRAM).exists() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "`{PROGRAM}` is missing");
    // Straight to the stream: what a passing test prints is not shown.
    let _ = std::io::stderr().write_all(format!("left out: `{PROGRAM}` is not installed\n").as_bytes());
    false
}

/// Runs the browser with a profile of its own; stdout and stderr.
async fn browse(arguments: Vec<String>) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().join("data").display()))
        .args(arguments)
        .env_clear()
        .env("HOME", profile.path())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(profile);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Opens an address; everything that the page loads, it loads.
async fn visit(url: &str, arguments: &[&str]) -> Visit {
    let arguments = arguments.iter().chain(&["--dump-dom", url]).map(|it| (*it).to_owned()).collect();
    let (document, log) = browse(arguments).await;
    assert!(document.contains("</html>"), "the browser showed nothing: {document}\n{log}");
    let console = log.lines().filter(|line| line.contains(":CONSOLE")).map(ToOwned::to_owned).collect();
    Visit { document, console }
}

/// The page with its routes, and beside it what a test puts there.
async fn serve(more: impl FnOnce(&str) -> Router) -> (Server, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("refrom.db"), now()).await.unwrap();
    let (fleet, rollout) = (fleet(), waves::rollout());
    store.put_status(&fleet.repositories, fleet.cycle.as_ref()).await.unwrap();
    waves::note_a_failed_canary(&store).await;
    let fleet = FleetStatus { waves: rollout.under_way(&store, now()).await.unwrap(), ..fleet };
    let html = refrom::serve::page::render(&fleet, &[], &Default::default(), now()).unwrap().html;
    let clock = Arc::new(Still(now()));
    let state = StatusState { store: Arc::new(store), clock, rollout, notices: Vec::new() };
    let router = routes().with_state(state).merge(more(&html));
    (Server::start(router).await.unwrap(), directory)
}

fn paths(server: &Server) -> Vec<String> {
    server.traffic().take().into_iter().map(|exchange| exchange.path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_drawn_without_a_complaint_and_asks_for_nothing_else() {
    if !has_browser() {
        return;
    }
    // The same page with a script in it, under the same policy: what a complaint looks like.
    let spoiled = |html: &str| {
        let html =
            html.replace("</body>", "<script>document.title = 'spoiled'</script><img src='/spoiled.png'></body>");
        let policy = [("content-security-policy", "default-src 'none'")];
        Router::new().route("/spoiled", get(async move || (policy, Html(html))))
    };
    let (server, _directory) = serve(spoiled).await;
    for address in ["", "?state=attention", "?sort=oldest&q=nginx"] {
        let visit = visit(&format!("{}{address}", server.url()), &[]).await;
        assert_eq!(visit.console, [""; 0], "{address}");
        assert_eq!(paths(&server), [format!("/{address}")]);
        assert!(visit.document.contains("<h1>Base images</h1>"), "{}", visit.document);
    }
    let visit = visit(&format!("{}spoiled", server.url()), &[]).await;
    assert!(visit.console.len() >= 3, "the browser complains of nothing: {:?}", visit.console);
    assert!(!visit.document.contains("<title>spoiled"), "{}", visit.document);
}

/// Loads the page in a frame of a phone's width and writes down what it measures there.
const RULER: &str = r#"<!DOCTYPE html><html><body><iframe src="/measured" style="width:WIDTHpx;height:800px;border:0"></iframe>
<script>addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  for (const folded of page.querySelectorAll("details")) folded.open = true;
  const wide = [...page.body.querySelectorAll("*")].filter(it => it.getBoundingClientRect().right > root.clientWidth + 0.5
    && getComputedStyle(it).clipPath === "none" && !it.closest(".hidden, thead, .skip"));
  const cells = [...page.querySelectorAll("[role=cell]")].map(it => it.offsetWidth / it.parentElement.offsetWidth);
  const seen = { narrowest: Math.min(...cells), inner: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(it => it.outerHTML.slice(0, 120)),
    ground: getComputedStyle(root).backgroundColor, rows: page.querySelectorAll("[role=row]").length };
  document.body.dataset.seen = JSON.stringify(seen);
})</script></body></html>"#;

/// What the ruler saw at this width.
async fn measure(width: u32, arguments: &[&str]) -> serde_json::Value {
    let measured = move |html: &str| {
        let html = html.to_owned();
        let ruler = RULER.replace("WIDTH", &width.to_string());
        let measured = Router::new().route("/measured", get(async move || Html(html)));
        measured.route("/ruler", get(async move || Html(ruler)))
    };
    let (server, _directory) = serve(measured).await;
    let document = visit(&format!("{}ruler", server.url()), arguments).await.document;
    let seen = document
        .split("data-seen=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("{document}"));
    serde_json::from_str(&seen.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_scrolls_sideways_on_a_phone() {
    if !has_browser() {
        return;
    }
    for width in [390, 320, 1280] {
        let seen = measure(width, &[]).await;
        assert_eq!((&seen["inner"], &seen["scroll"]), (&width.into(), &width.into()), "{seen}");
        assert_eq!(seen["wide"], serde_json::json!([]), "at {width}");
        // On a phone each cell has the row's whole width.
        let narrowest = seen["narrowest"].as_f64().unwrap();
        assert_eq!(narrowest > 0.95, width < 700, "at {width}: {narrowest}");
        assert!(seen["rows"].as_u64().unwrap() > 20, "{seen}");
    }
}

/// Chromium's way of preferring a dark scheme.
const DARK: &str = "--blink-settings=preferredColorScheme=0";

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_follows_the_person() {
    if !has_browser() {
        return;
    }
    assert_eq!(measure(800, &[]).await["ground"], "rgb(245, 246, 248)");
    assert_eq!(measure(800, &[DARK]).await["ground"], "rgb(15, 19, 24)");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_drawn_for_people() {
    let Some(folder) = std::env::var_os(DRAW_INTO).filter(|_| has_browser()) else { return };
    // A window is never as narrow as a phone: the page stands in a frame of that width.
    let framed = |html: &str| {
        let html = html.to_owned();
        let frame = |width: u32, height: u32| {
            Html(format!(
                "<!DOCTYPE html><meta name=color-scheme content='light dark'><body style='margin:0'><iframe src='/bare' style='width:{width}px;height:{height}px;border:0'></iframe>"
            ))
        };
        let router = Router::new().route("/bare", get(async move || Html(html)));
        router.route("/framed", get(async move || frame(390, 7_000)))
    };
    let (server, _directory) = serve(framed).await;
    let document = visit(&server.url(), &[]).await.document;
    std::fs::write(Path::new(&folder).join("page.html"), document).unwrap();
    for (name, path, size) in [("1280", "", "1280,3400"), ("390", "framed", "390,7000")] {
        for (scheme, setting) in [("light", None), ("dark", Some(DARK.to_owned()))] {
            let file = Path::new(&folder).join(format!("{name}-{scheme}.png"));
            let mut arguments = vec![format!("--window-size={size}"), format!("--screenshot={}", file.display())];
            arguments.extend(setting);
            arguments.push(format!("{}{path}", server.url()));
            let (_, log) = browse(arguments).await;
            assert!(file.exists(), "{log}");
        }
    }
}
