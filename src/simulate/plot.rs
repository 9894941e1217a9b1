//! Cost and freshness over the days, as an SVG that reads on light and on dark pages.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::figures::{DayFigures, Figures};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 726.0;
/// Where the panels begin and end from left to right.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 928.0;
/// Where each panel begins, and how high it is.
const PANELS: [f64; 3] = [86.0, 308.0, 530.0];
const PANEL_HEIGHT: f64 = 150.0;
/// About so many lines of the scale are drawn in a panel.
const TICKS: f64 = 4.0;
/// A label each so many days, the first of these that leaves room for it; in a longer replay at the first day of a month.
const DAYS_PER_LABEL: [usize; 3] = [7, 14, 28];
/// And each so many months, with the fewest days that they have.
const MONTHS_PER_LABEL: [(i8, usize); 5] = [(1, 28), (2, 59), (3, 89), (6, 181), (12, 365)];
/// Room for `Jun 20`, and for `Jun`.
const DAY_WIDTH: f64 = 60.0;
const MONTH_WIDTH: f64 = 38.0;
/// The classes of the lines, in the order of the series; a third one and more share the last.
const COLOURS: [&str; 2] = ["one", "other"];

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.faint{fill:#59636e}\
.page{fill:#fff}.grid{stroke:#d1d9e0;stroke-width:1}.line{fill:none;stroke-width:2}.dashed{stroke-dasharray:5 4}\
.one{stroke:#0b62c4}.other{stroke:#b3470b}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}.page{fill:#0d1117}.grid{stroke:#3d444d}\
.one{stroke:#6cb0ff}.other{stroke:#ffa05c}}";

/// One configuration's figures and what it is called.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    pub name: &'a str,
    pub figures: &'a Figures,
}

/// One curve: a value for each day.
struct Curve {
    class: String,
    values: Vec<f64>,
}

/// Draws pipelines added up; how many pins are behind; and the age of the pinned digests, dashed its 90th percentile.
pub fn plot(series: &[Series<'_>]) -> String {
    let mut drawing = Drawing { text: String::new() };
    let days = series.iter().map(|series| series.figures.days.as_slice()).max_by_key(|days| days.len());
    let days = days.unwrap_or_default();
    let [cost, behind, age] = PANELS;
    drawing.open();
    drawing.legend(series);
    drawing.panel(cost, "Pipelines set off per repository, added up", &curves(series, pipelines), days);
    let mut ages = curves(series, |figures| of_days(figures, |day| day.age.median));
    ages.extend(curves(series, |figures| of_days(figures, |day| day.age.p90)).into_iter().map(dashed));
    let shares = curves(series, |figures| of_days(figures, |day| 100.0 * day.share_behind));
    drawing.panel(behind, "Pins that are behind, in percent", &shares, days);
    drawing.panel(age, "Age of the pinned digests in days: median, and dashed the 90th percentile", &ages, days);
    drawing.text.push_str("</svg>\n");
    drawing.text
}

fn curves(series: &[Series<'_>], values: impl Fn(&Figures) -> Vec<f64>) -> Vec<Curve> {
    let curve = |(index, series): (usize, &Series<'_>)| Curve { class: colour(index), values: values(series.figures) };
    series.iter().enumerate().map(curve).collect()
}

fn colour(index: usize) -> String {
    COLOURS.get(index).or(COLOURS.last()).copied().unwrap_or_default().to_owned()
}

fn dashed(curve: Curve) -> Curve {
    Curve { class: format!("{} dashed", curve.class), ..curve }
}

fn of_days(figures: &Figures, value: impl Fn(&DayFigures) -> f64) -> Vec<f64> {
    figures.days.iter().map(value).collect()
}

fn pipelines(figures: &Figures) -> Vec<f64> {
    let repositories = figures.repositories.max(1) as f64;
    let total = |total: &mut usize, day: &DayFigures| {
        *total += day.pipelines;
        Some(*total as f64 / repositories)
    };
    figures.days.iter().scan(0, total).collect()
}

/// The SVG as far as it is written.
struct Drawing {
    text: String,
}

impl Drawing {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{element}");
    }

    fn open(&mut self) {
        self.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"Cost and freshness over the days\">"
        ));
        self.add(format_args!("<style>{STYLE}</style>"));
        self.add(format_args!("<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"));
    }

    fn legend(&mut self, series: &[Series<'_>]) {
        let mut at = LEFT;
        for (index, Series { name, .. }) in series.iter().enumerate() {
            let (end, text, class) = (at + 28.0, at + 36.0, colour(index));
            self.add(format_args!("<path class=\"line {class}\" d=\"M{at} 28H{end}\"/>"));
            self.add(format_args!("<text x=\"{text}\" y=\"32\">{}</text>", escaped(name)));
            // About what a letter is wide.
            at = text + 8.0 * name.chars().count() as f64 + 32.0;
        }
    }

    fn panel(&mut self, top: f64, title: &str, curves: &[Curve], days: &[DayFigures]) {
        let bottom = top + PANEL_HEIGHT;
        let largest = curves.iter().flat_map(|curve| &curve.values).copied().fold(0.0, f64::max);
        let step = step(largest);
        let scale = ((largest / step).ceil() * step).max(step);
        self.add(format_args!("<text class=\"title\" x=\"{LEFT}\" y=\"{}\">{title}</text>", top - 14.0));
        let mut tick = 0.0;
        while tick <= scale {
            let y = bottom - tick / scale * PANEL_HEIGHT;
            self.add(format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
            let (x, y) = (LEFT - 8.0, y + 4.5);
            self.add(format_args!("<text class=\"faint\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{tick}</text>"));
            tick += step;
        }
        for Label { day, text, year } in labels(days) {
            let x = LEFT + across(day, days.len());
            for (line, y) in [(Some(text), bottom + 20.0), (year, bottom + 36.0)] {
                let Some(line) = line else { continue };
                self.add(format_args!(
                    "<text class=\"faint\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{line}</text>"
                ));
            }
        }
        self.curves(curves, (bottom, scale), days.len());
    }

    fn curves(&mut self, curves: &[Curve], (bottom, scale): (f64, f64), days: usize) {
        for Curve { class, values } in curves {
            // A line needs two points.
            if let [value] = values.as_slice() {
                let y = bottom - value / scale * PANEL_HEIGHT;
                self.add(format_args!("<circle class=\"line {class}\" cx=\"{LEFT}\" cy=\"{y:.1}\" r=\"3\"/>"));
                continue;
            }
            let points = values.iter().enumerate().map(|(day, value)| {
                let (x, y) = (LEFT + across(day, days), bottom - value / scale * PANEL_HEIGHT);
                format!("{x:.1},{y:.1}")
            });
            let points = points.collect::<Vec<_>>().join(" ");
            self.add(format_args!("<polyline class=\"line {class}\" points=\"{points}\"/>"));
        }
    }
}

/// A date below a panel.
#[derive(Debug)]
struct Label {
    day: usize,
    text: String,
    /// Where the days are of more than one: at the first label of each.
    year: Option<String>,
}

fn labels(days: &[DayFigures]) -> Vec<Label> {
    let has_room = |step: usize, width: f64| across(step, days.len()) >= width;
    let dates = days.iter().map(|day| day.date).enumerate();
    let (format, shown): (_, Vec<(usize, Date)>) =
        if let Some(step) = DAYS_PER_LABEL.into_iter().find(|step| has_room(*step, DAY_WIDTH)) {
            ("%b %-d", dates.step_by(step).collect())
        } else {
            let step = MONTHS_PER_LABEL.into_iter().find(|(_, days)| has_room(*days, MONTH_WIDTH));
            let step = step.map_or(12, |(months, _)| months);
            ("%b", dates.filter(|(_, date)| date.day() == 1 && (date.month() - 1) % step == 0).collect())
        };
    let years = |day: Option<&DayFigures>| day.map(|day| day.date.year());
    let mut told = if years(days.first()) == years(days.last()) { years(days.first()) } else { None };
    let label = |(day, date): (usize, Date)| {
        let year = (told.replace(date.year()) != Some(date.year())).then(|| date.year().to_string());
        Label { day, text: date.strftime(format).to_string(), year }
    };
    shown.into_iter().map(label).collect()
}

/// How far from the left edge of a panel over so many days one of them is.
fn across(day: usize, days: usize) -> f64 {
    (RIGHT - LEFT) * day as f64 / days.saturating_sub(1).max(1) as f64
}

/// The distance of the lines of a scale: 1, 2 or 5 times a power of ten.
fn step(largest: f64) -> f64 {
    let rough = (largest / TICKS).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

fn escaped(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_a_few_round_steps() {
        for (largest, expected) in [(0.0, 1.0), (3.0, 1.0), (7.9, 2.0), (18.0, 5.0), (39.0, 10.0), (63.0, 20.0)] {
            assert!((step(largest) - expected).abs() < 1e-9, "{largest}: {}", step(largest));
        }
    }

    #[test]
    fn dates_stand_as_far_from_each_other_as_they_need_and_have_their_year_where_there_are_two() {
        let told = |from: &str, count: i32| {
            let first: Date = from.parse().unwrap();
            let day = |day: i32| DayFigures {
                date: first.saturating_add(jiff::Span::new().days(day)),
                ..DayFigures::default()
            };
            let days: Vec<_> = (0..count).map(day).collect();
            let labels = labels(&days);
            let room =
                labels.windows(2).map(|two| across(two[1].day - two[0].day, days.len())).fold(f64::MAX, f64::min);
            let with_year = |label: &Label| format!("{} {}", label.text, label.year.as_deref().unwrap_or_default());
            let shown: Vec<String> = labels.iter().map(|label| with_year(label).trim_end().to_owned()).collect();
            (shown.len(), shown[..3.min(shown.len())].join(", "), shown.last().unwrap().clone(), room >= MONTH_WIDTH)
        };
        let expected = |count, first: &str, last: &str| (count, first.to_owned(), last.to_owned(), true);
        assert_eq!(told("2026-06-20", 1), expected(1, "Jun 20", "Jun 20"));
        assert_eq!(told("2026-06-20", 64), expected(10, "Jun 20, Jun 27, Jul 4", "Aug 22"));
        assert_eq!(told("2026-06-20", 184), expected(14, "Jun 20, Jul 4, Jul 18", "Dec 19"));
        assert_eq!(told("2026-06-20", 366), expected(14, "Jun 20 2026, Jul 18, Aug 15", "Jun 19"));
        assert_eq!(told("2026-06-20", 580), expected(19, "Jul 2026, Aug, Sep", "Jan 2028"));
        assert_eq!(told("2026-06-20", 2000).0, 22);
    }

    #[test]
    fn names_of_files_end_no_element() {
        assert_eq!(escaped("a<b>&\u{1b}c"), "a&lt;b&gt;&amp;c");
    }
}
