//! Filters, orders and pages.

use refrom::domain::status::{Filter, FleetStatus, Sort, StateFilter};
use refrom::serve::page::{self, Query};

use super::fleet::{behind, fleet, now, pin, repository};

fn names(fleet: &FleetStatus, filter: &Filter) -> Vec<String> {
    fleet.select(filter).iter().map(|status| status.repository.name.to_string()).collect()
}

#[test]
fn each_state_shows_what_it_says() {
    let fleet = fleet();
    let of = |state| names(&fleet, &Filter { state: Some(state), sort: Sort::Name, ..Filter::default() });
    assert_eq!(
        of(StateFilter::Attention),
        [
            "acme/archive-2019",
            "acme/edge-proxy",
            "acme/identity",
            "acme/payments-settlement-reconciliation-worker-for-eu-west",
            "acme/web",
            "platform/build/images/base-runtime",
        ]
    );
    assert_eq!(of(StateFilter::Behind).len(), 9);
    assert_eq!(
        of(StateFilter::Waiting),
        ["acme/edge-proxy", "acme/legacy-portal", "acme/web", "data/warehouse/loader", "data/warehouse/reports"]
    );
    assert_eq!(of(StateFilter::Open).len(), 6);
    assert_eq!(of(StateFilter::Failed), ["acme/payments-settlement-reconciliation-worker-for-eu-west"]);
    assert_eq!(of(StateFilter::Unknown), ["acme/identity"]);
    assert_eq!(of(StateFilter::Error), ["acme/archive-2019", "platform/build/images/base-runtime"]);
    assert_eq!(of(StateFilter::Off), ["data/sandbox"]);
    assert_eq!(of(StateFilter::Current).len(), 7);
    for state in StateFilter::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
}

#[test]
fn text_finds_names_images_paths_and_digests_in_any_case() {
    let fleet = fleet();
    let of = |text: &str| names(&fleet, &Filter { text: Some(text.to_owned()), ..Filter::default() });
    assert_eq!(of("ACME/Check"), ["acme/checkout"]);
    assert_eq!(of("php"), ["acme/legacy-portal"]);
    assert_eq!(of("dockerfile.debug").len(), 1);
    let digest = fleet.repositories[0].pins.first().or(fleet.repositories[1].pins.first()).unwrap().digest;
    assert!(!of(&digest.unwrap().hex()).is_empty());
    assert!(of("nowhere").is_empty());
    let of_forge = names(&fleet, &Filter { forge: Some("gitlab".to_owned()), ..Filter::default() });
    assert_eq!(of_forge.len(), 5);
}

#[test]
fn orders_are_total_and_the_oldest_stale_pin_leads() {
    let fleet = fleet();
    let of = |sort| names(&fleet, &Filter { sort, ..Filter::default() });
    assert_eq!(
        of(Sort::Oldest)[..2],
        ["acme/legacy-portal", "acme/payments-settlement-reconciliation-worker-for-eu-west"]
    );
    assert_eq!(of(Sort::Due).last().unwrap(), "data/warehouse/reports");
    assert!(of(Sort::Name).is_sorted_by_key(|name| (!name.starts_with("acme"), name.clone())));
    for sort in Sort::ALL {
        assert_eq!(of(sort).len(), 20);
        assert_eq!(sort.as_str().parse(), Ok(sort));
    }
}

#[test]
fn thousands_of_repositories_are_shown_in_pages() {
    let repositories = (0..1_204).map(|number| {
        let pins = vec![pin(("Dockerfile", 1), "dhi.io/nginx:1", None, behind(number, "2", None))];
        repository("github", &format!("acme/r{number:04}"), pins)
    });
    let fleet = FleetStatus { cycle: None, repositories: repositories.collect(), ..FleetStatus::default() };
    let pairs = |page: &str| {
        let pairs = [("page", page), ("sort", "name"), ("state", "behind")];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    };
    let html = |page| page::render(&fleet, &[], &Query::read(&pairs(page)).unwrap(), now()).unwrap().html;
    let second = html("2");
    assert!(second.contains("51 to 100 of 1204 repositories"), "{second}");
    assert!(second.contains("r0050</a>") && second.contains("r0099</a>") && !second.contains("r0100</a>"));
    assert!(second.contains("href=\"?state=behind&amp;sort=name&amp;page=3\" rel=\"next\""), "{second}");
    assert!(second.contains("href=\"?state=behind&amp;sort=name\" rel=\"prev\""));
    assert!(second.contains("href=\"api&#x2f;v1&#x2f;status?state=behind&amp;sort=name\""), "{second}");
    let last = html("99");
    assert!(last.contains("1201 to 1204 of 1204 repositories") && !last.contains("rel=\"next\""));
}
