//! Cost and freshness over the days, as an SVG that reads on light and on dark pages.

use std::fmt::Write as _;

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
/// A label each so many days.
const DAYS_PER_LABEL: usize = 7;
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
        let x = |day: usize| LEFT + (RIGHT - LEFT) * day as f64 / days.len().saturating_sub(1).max(1) as f64;
        for (index, day) in days.iter().enumerate().step_by(DAYS_PER_LABEL) {
            let (x, y, date) = (x(index), bottom + 20.0, day.date.strftime("%b %-d"));
            self.add(format_args!("<text class=\"faint\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{date}</text>"));
        }
        for Curve { class, values } in curves {
            let points = values.iter().enumerate().map(|(day, value)| {
                let (x, y) = (x(day), bottom - value / scale * PANEL_HEIGHT);
                format!("{x:.1},{y:.1}")
            });
            let points = points.collect::<Vec<_>>().join(" ");
            self.add(format_args!("<polyline class=\"line {class}\" points=\"{points}\"/>"));
        }
    }
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
    fn names_of_files_end_no_element() {
        assert_eq!(escaped("a<b>&\u{1b}c"), "a&lt;b&gt;&amp;c");
    }
}
