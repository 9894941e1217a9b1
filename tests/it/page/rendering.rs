//! One page: what it says, and that nobody's words become markup.

use jiff::SignedDuration;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::Pipeline;
use refrom::domain::reference::TagRef;
use refrom::domain::status::{CycleStatus, Filter, FleetStatus, PinState, Standing, StateFilter, Wait};
use refrom::domain::waves::{UnderWay, WaveCause, WaveStanding};
use refrom::serve::page::{self, Page, Query};
use refrom::serve::record::StatusRecord;

use super::fleet::{behind, fleet, now, open, pin, repository};

fn page(fleet: &FleetStatus) -> Page {
    page::render(fleet, &[], &Query::default(), now()).unwrap()
}

/// The page's text, without markup and with single blanks.
fn text(html: &str) -> String {
    let body = html.split("<body>").nth(1).unwrap();
    let mut text = String::new();
    for piece in body.split('<') {
        if piece.starts_with("wbr>") {
            text.pop();
        }
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
        text.push(' ');
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (entity, character)| text.replace(entity, character))
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn the_summary_counts_the_whole_fleet() {
    let html = page(&fleet()).html;
    let text = text(&html);
    says(
        &text,
        &[
            "Last whole cycle 12 minutes ago 23 Nov 07:18 UTC , took less than a minute",
            "Need a person 6 of 20 repositories",
            "Repositories 20 1 off",
            "Pins behind 11 of 26 pins, 1 unknown",
            "Oldest stale pin 40 days php:8.3-apache in acme/legacy-portal",
            "Open pull requests 6 1 failed, 1 pending, 2 passed, 1 without checks, 1 unknown",
            "Errors 3 in 2 repositories, 1 of the cycle itself",
            "Problems of the last cycle gitlab : mobile/* : the forge is rate limited until 07:45",
        ],
    );
    assert!(html.contains("<title>(6) Base images – refrom</title>"), "{html}");
}

#[test]
fn what_needs_a_person_comes_first_and_the_rest_by_urgency() {
    let html = page(&fleet()).html;
    let order =
        ["Need a person <span", "legacy-portal", "Nothing to do <span", "tools</a>", "Off <span", "sandbox</a>"];
    let places: Vec<usize> = order.iter().map(|part| html.rfind(part).unwrap_or_else(|| panic!("{part}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(html.find("g-attention").unwrap() < html.find("g-behind").unwrap());
}

#[test]
fn a_repository_says_everything_that_is_known_of_it() {
    let text = text(&page(&fleet()).html);
    says(
        &text,
        &[
            // Behind, in a pull request with failed checks.
            "registry.access.redhat.com/ubi9/ubi-minimal:9.6 services/reconciliation/build/Containerfile:14",
            "9.6-1755 33 days 21 Oct 2026 ▲ behind for 23 days since 31 Oct 2026",
            "9.6-1790, in #1832",
            "#1832 build(deps): refresh 2 base images ✕ checks failed opened 2 days ago 21 Nov 2026",
            // Waiting for its time.
            "Next due in 20 hours 24 Nov 04:12 UTC , schedule weekly (refrom.yaml:31:13)",
            "not due before 24 Nov 2026 04:12 CET: schedule weekly",
            "frozen until 4 Jan 2027: end-of-year closing",
            // Unknown, left alone, merging, broken, never read, off, nothing followed.
            "? unknown the registry is unavailable: 503 Service Unavailable",
            "Left alone: somebody else's commit is on the branch of #7",
            "1.27.4 waits for #7",
            "… checks pending merges by itself opened 2 hours ago",
            "acme/archive-2019 ✕ error github never read Error: its base branch trunk is not there",
            "– off",
            "2 images not followed dhi.io/nginx Dockerfile:3 skipped: no-tag",
            "3 current pins",
            "acme/billing ✓ current github 1 current pin",
        ],
    );
}

/// On its way from the canaries, one of which has failed.
fn under_way() -> UnderWay {
    let wave = |name: &str, have, of, blocked| {
        let (wave, merged, unseen) = (name.to_owned(), None, None);
        WaveStanding { wave, have, of, merged, blocked, unseen }
    };
    let failed = RepositoryKey { forge: "github".to_owned(), name: "acme/canary".parse().unwrap() };
    UnderWay {
        tag: TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() },
        digest: Digest::of(b"new"),
        first_seen: now() - SignedDuration::from_hours(50),
        waves: vec![
            wave("canary", 2, 2, None),
            wave("internal", 1, 2, Some(WaveCause::Failed(failed))),
            wave("rest", 0, 40, Some(WaveCause::Merged { have: 0, of: 40 })),
        ],
    }
}

#[test]
fn the_waves_of_a_digest_and_what_the_next_one_waits_for_are_told() {
    let html = page(&FleetStatus { waves: vec![under_way()], ..fleet() }).html;
    let short = Digest::of(b"new").short();
    says(
        &text(&html),
        &[
            &format!("Waves dhi.io/nginx:1 {short} first seen 2 days ago"),
            "canary ✓ 2 of 2 internal ✕ 1 of 2, failed rest ○ 0 of 40",
            "rest waits for internal : the pipeline of github:acme/canary failed",
        ],
    );
    assert!(!page(&fleet()).html.contains("id=\"waves\""), "nothing is on its way");
}

#[test]
fn nobodys_words_become_markup() {
    let evil = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' {{ 7*7 }}";
    let mut one = repository(
        "github",
        "acme/web",
        vec![
            pin((evil, 1), "dhi.io/nginx:1", Some(evil), behind(1, evil, Some((evil, true)))),
            pin((evil, 2), "dhi.io/node:1", None, PinState::Unknown { reason: evil.to_owned(), needs_person: true }),
        ],
    );
    one.error = Some(evil.to_owned());
    one.due_because = evil.to_owned();
    one.url = Some("javascript:alert(1)".to_owned());
    one.pull_requests = vec![open(1, "acme/web", Pipeline::Passed), open(2, "acme/web", Pipeline::Passed)];
    one.pull_requests[0].title = evil.to_owned();
    one.pull_requests[0].url = " javascript:alert(1)//https://".to_owned();
    one.pull_requests[1].url = "https://x/\"onclick=\"alert(1)".to_owned();
    let mut other = repository("github", "acme/other", Vec::new());
    other.repository.forge = evil.to_owned();
    let cycle = CycleStatus { started: now(), ended: now(), problems: vec![(evil.to_owned(), evil.to_owned())] };
    let pairs = [("q", evil), ("forge", evil)].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let fleet = FleetStatus { cycle: Some(cycle), repositories: vec![one, other], ..FleetStatus::default() };
    for query in [Query::default(), Query::read(&pairs).unwrap()] {
        let html = page::render(&fleet, &[], &query, now()).unwrap().html;
        for part in ["<script", "<img", "href=\"javascript", "href=\" java", "\"onclick"] {
            assert!(!html.contains(part), "{part}: {html}");
        }
        assert!(html.contains("{{ 7*7 }}"), "{html}");
        assert_eq!(html.matches("</style>").count(), 1);
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"), "{html}");
    }
    assert!(!page::message(evil, evil).unwrap().html.contains("<script"));
}

#[test]
fn the_policy_allows_the_style_of_the_page_and_nothing_else() {
    use base64::Engine as _;
    use sha2::Digest as _;
    for page in [page(&fleet()), page::message("a", "b").unwrap()] {
        let style = page.html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(style));
        let headers: std::collections::BTreeMap<_, _> = page.headers.iter().cloned().collect();
        assert_eq!(
            headers["content-security-policy"],
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'self'; \
                 frame-ancestors 'none'"
            )
        );
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!page.html.contains(" style=\"") && !page.html.contains("<script"));
    }
}

#[test]
fn a_fleet_of_which_nothing_is_known_says_so() {
    let text = text(&page(&FleetStatus::default()).html);
    says(
        &text,
        &[
            "No whole cycle has ended yet",
            "Nothing is known yet: the first cycle fills this page.",
            "Need a person 0",
            "Oldest stale pin none",
        ],
    );
}

/// Contrast of two colours (`0xrrggbb`) by WCAG 2.2.
fn contrast(one: u32, other: u32) -> f64 {
    let luminance = |color: u32| {
        let channel = |shift: u32| {
            let value = f64::from((color >> shift) & 0xff) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_has_enough_contrast_in_light_and_dark() {
    let html = page(&FleetStatus::default()).html;
    let schemes: Vec<&str> =
        html.split(":root {").skip(1).take(2).map(|part| part.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let color = |name: &str| {
            let value = scheme.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("{name}"));
            u32::from_str_radix(value.split(';').next().unwrap(), 16).unwrap()
        };
        let texts = ["text", "muted", "link", "red", "amber"].map(|it| [(it, "ground"), (it, "surface")]).concat();
        let grounds = ["red", "amber", "green", "blue", "grey"].map(|it| (it.to_owned(), format!("{it}-ground")));
        let texts = texts.into_iter().map(|(front, back)| (front.to_owned(), back.to_owned())).chain(grounds);
        for (front, back) in texts {
            let found = contrast(color(&front), color(&back));
            assert!(found >= 4.5, "{front} on {back}: {found:.2}");
        }
        // What shows where a field is.
        for back in ["ground", "surface"] {
            let found = contrast(color("edge"), color(back));
            assert!(found >= 3.0, "edge on {back}: {found:.2}");
        }
    }
}

#[test]
fn a_current_pin_that_waits_for_a_higher_tag_says_why() {
    let state = |needs_person| PinState::Current {
        waits: Some(Wait::of_words("its tag stands where `1.28` cannot be written", needs_person)),
    };
    for (needs_person, standing) in [(true, Standing::NeedsPerson), (false, Standing::Current)] {
        let waiting = pin(("Dockerfile", 7), "dhi.io/nginx:1.27", None, state(needs_person));
        let mut fleet = fleet();
        fleet.repositories.truncate(1);
        fleet.repositories[0] = repository("github", "acme/waits", vec![waiting]);
        assert_eq!(fleet.repositories[0].standing(), standing);
        let filter = Filter { state: Some(StateFilter::Waiting), ..Filter::default() };
        assert_eq!(fleet.select(&filter).len(), 1);
        says(&text(&page(&fleet).html), &["current its tag stands where 1.28 cannot be written"]);
        let told = serde_json::to_value(StatusRecord::new(&fleet, &Filter::default(), now())).unwrap();
        let told = &told["repositories"][0]["pins"][0];
        assert_eq!((told["state"].as_str(), told["needs_person"].as_bool()), (Some("current"), Some(needs_person)));
        assert_eq!(told["reason"], "its tag stands where `1.28` cannot be written");
    }
}
