//! Three hundred repositories on two forges, in two zones, with ten schedules; and the configuration of both.

use jiff::civil::date;
use jiff::tz::TimeZone;
use refrom::domain::pull_request::RepoName;

use super::calendar::{
    Calendar, Hours, Turns, every_day, first_of_month, monday, place, tuesday_or_thursday, wednesday, weekday,
};

pub const FORGES: [&str; 2] = ["github", "gitlab"];
/// The first registry holds the images below this number, the second one the others.
pub const OF_FIRST_REGISTRY: usize = 6;
pub const IMAGES: usize = 10;
const REPOSITORIES_OF_GROUP: usize = 30;
const ZONES: [(&str, &str); 2] = [("berlin", "Europe/Berlin"), ("york", "America/New_York")];
/// In an hour, in the whole fleet: before and after the configuration is read anew.
pub const CAPS: [usize; 2] = [40, 25];

/// Repositories with the same settings.
struct Group {
    name: &'static str,
    /// `schedule` before and after the configuration is read anew; empty: none.
    schedules: [&'static str; 2],
    turns: [Turns; 2],
    /// More of its policy.
    policy: &'static str,
    hours: Option<Hours>,
}

const fn days(days: fn(jiff::civil::Date) -> bool, times: &'static [(i8, i8)]) -> Turns {
    Turns::Days(days, times)
}

const NIGHT: Option<Hours> = Some(Hours { days: every_day, from: 22, to: 2 });
const OFFICE: Option<Hours> = Some(Hours { days: weekday, from: 9, to: 17 });
const MIDNIGHT: &[(i8, i8)] = &[(0, 0)];

/// The schedule of `own` stands in its repositories, and that of `always` nowhere.
const GROUPS: [Group; 10] = [
    Group {
        name: "office",
        schedules: ["30 9 * * 1-5", "0 15 * * *"],
        turns: [days(weekday, &[(9, 30)]), days(every_day, &[(15, 0)])],
        policy: "",
        hours: None,
    },
    // Both times come twice when clocks are set back, the one in New York and the other in Berlin.
    Group {
        name: "twice",
        schedules: ["15 1,2 * * *"; 2],
        turns: [days(every_day, &[(1, 15), (2, 15)]); 2],
        policy: "",
        hours: None,
    },
    Group {
        name: "grid",
        schedules: ["{ every: 36h }"; 2],
        turns: [Turns::EveryHours(36); 2],
        policy: "",
        hours: None,
    },
    Group {
        name: "daily",
        schedules: ["daily"; 2],
        turns: [days(every_day, MIDNIGHT); 2],
        policy: "window: [{ days: weekdays, from: '09:00', to: '17:00' }]",
        hours: OFFICE,
    },
    Group {
        name: "weekdays",
        schedules: ["weekdays"; 2],
        turns: [days(weekday, MIDNIGHT); 2],
        policy: "freeze: [{ from: 2026-10-24, to: 2026-10-26, reason: stocktaking }]",
        hours: None,
    },
    Group {
        name: "weekly",
        schedules: ["weekly", "0 12 * * 3"],
        turns: [days(monday, MIDNIGHT), days(wednesday, &[(12, 0)])],
        policy: "",
        hours: None,
    },
    Group {
        name: "monthly",
        schedules: ["monthly"; 2],
        turns: [days(first_of_month, MIDNIGHT); 2],
        policy: "",
        hours: None,
    },
    Group {
        name: "own",
        schedules: [""; 2],
        turns: [days(tuesday_or_thursday, &[(6, 0)]); 2],
        policy: "",
        hours: None,
    },
    Group {
        name: "always",
        schedules: [""; 2],
        turns: [Turns::Always; 2],
        policy: "group: image, max_open: 1",
        hours: None,
    },
    Group {
        name: "late",
        schedules: ["0 */6 * * *"; 2],
        turns: [days(every_day, &[(0, 0), (6, 0), (12, 0), (18, 0)]); 2],
        policy: "window: [{ from: '22:00', to: '02:00' }]",
        hours: NIGHT,
    },
];

/// A repository and what holds for it.
pub struct Repository {
    pub name: RepoName,
    /// Which of [`FORGES`].
    pub forge: usize,
    pub group: &'static str,
    /// Before and after the configuration is read anew.
    pub calendars: [Calendar; 2],
    pub max_open: usize,
    /// A Dockerfile of its own for each image.
    pub pins: Vec<(String, usize)>,
    /// `.refrom.yaml`
    pub own_file: Option<&'static str>,
}

/// The same in every run.
pub fn repositories() -> Vec<Repository> {
    let indexes = (0..GROUPS.len()).flat_map(|group| (0..REPOSITORIES_OF_GROUP).map(move |index| (group, index)));
    indexes.map(|(group, index)| repository(group, index)).collect()
}

fn repository(number: usize, index: usize) -> Repository {
    let group = &GROUPS[number];
    let (forge, (town, zone)) = (index % 2, ZONES[index / 2 % 2]);
    let name = format!("acme/{}-{town}-{index}", group.name);
    let mut freezes = vec![(date(2026, 10, 29), date(2026, 10, 30))];
    if group.name == "weekdays" {
        freezes.push((date(2026, 10, 24), date(2026, 10, 26)));
    }
    let calendar = |turns| Calendar {
        turns,
        hours: group.hours,
        freezes: freezes.clone(),
        zone: TimeZone::get(zone).unwrap(),
        place: place(&format!("{}:{name}", FORGES[forge])),
    };
    let image = (index * 7 + number) % IMAGES;
    let mut pins = vec![("a/Dockerfile".to_owned(), image)];
    if group.name == "always" {
        pins.push(("b/Dockerfile".to_owned(), (image + 3) % IMAGES));
    }
    Repository {
        calendars: group.turns.map(calendar),
        name: name.parse().unwrap(),
        forge,
        group: group.name,
        max_open: if group.name == "always" { 1 } else { usize::MAX },
        pins,
        own_file: (group.name == "own").then_some("schedule: 0 6 * * 2,4\n"),
    }
}

/// The configuration, before and after it is read anew.
pub fn configuration(version: usize, forges: [&str; 2], registries: [&str; 2]) -> String {
    let forges = [0, 1].map(|index| {
        format!(
            "  - {{ kind: {}, url: \"{}\", auth: {{ token: {{ env: TOKEN }} }}, write_interval: 0s, \
             repositories: {{ include: [\"acme/*\"] }} }}\n",
            FORGES[index], forges[index],
        )
    });
    let zones =
        ZONES.map(|(town, zone)| format!("  - {{ match: \"acme/*-{town}-*\", policy: {{ timezone: {zone} }} }}\n"));
    let groups = GROUPS.iter().map(|group| {
        let schedule = match group.schedules[version] {
            "" => String::new(),
            every if every.starts_with('{') => format!("schedule: {every}"),
            text => format!("schedule: \"{text}\""),
        };
        let keys: Vec<&str> = [schedule.as_str(), group.policy].into_iter().filter(|key| !key.is_empty()).collect();
        format!("  - {{ match: \"acme/{}-*\", policy: {{ {} }} }}\n", group.name, keys.join(", "))
    });
    format!(
        "forges:\n{}registries:\n  dhi.io: {{ endpoint: \"{}dhi.io\" }}\n  cgr.dev: {{ endpoint: \"{}cgr.dev\" }}\n\
         poll: 4h\nmax_new_per_hour: {}\nfreeze: [{{ from: 2026-10-29, to: 2026-10-30, reason: the great release }}]\n\
         policy: {{ jitter: 20m }}\nserve: {{ listen: '127.0.0.1:0' }}\nrepositories:\n{}{}",
        forges.concat(),
        registries[0],
        registries[1],
        CAPS[version],
        zones.concat(),
        groups.collect::<String>(),
    )
}

/// The image's name in `FROM`.
pub fn image(number: usize) -> String {
    let registry = if number < OF_FIRST_REGISTRY { "dhi.io" } else { "cgr.dev" };
    format!("{registry}/image-{number}")
}
