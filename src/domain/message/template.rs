//! Templates that people write for title, body and commit message: rendered within limits, checked when they are read.

use std::collections::BTreeSet;
use std::io;
use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior};
use serde::Serialize;

use super::context::Context;

/// Steps that a template may take: about twenty times what the default body takes for the most pins that fit.
const FUEL: u64 = 500_000;
/// How deep a template may nest.
const RECURSION_MAX: usize = 20;

pub(super) const TITLE: &str = "build(deps): {% if is_urgent %}urgently {% endif %}{{ change }} {% if count != 1 %}{{ count }} base images\
{% elif new_tag %}{{ images[0].name }} {{ images[0].tag }} → {{ new_tag }}{% else %}base image {{ image }}{% endif %}\
{% if file %} in {{ file }}{% endif %}{% if hidden %} ({{ hidden }}){% endif %}";

pub(super) const BODY: &str = "{{ summary }}

{{ table }}

{% if hidden %}{{ hidden }}

{% endif %}{% if proved %}{{ proved }}

{% endif %}{% if remarks %}{{ remarks }}

{% endif %}{{ digests }}

---

{{ instructions }}
";

pub(super) const COMMIT_MESSAGE: &str = "{{ title }}
{% for image in images %}
{{ image.reference }}{% if image.new_tag %} → {{ image.new_tag }}{% endif %}\
{% if image.versions %} ({{ image.versions }}){% endif %}
{% if image.old %}  {{ image.old }}
{% endif %}  {{ image.new }}
{% endfor %}{% if left_out %}
and {{ left_out }} more
{% endif %}";

/// The defaults, compiled once: every proposal of a fleet is written with them. Each is named by its own text, and valid; a
/// test holds it.
static DEFAULTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut defaults = environment();
    for template in [TITLE, BODY, COMMIT_MESSAGE] {
        let _ = defaults.add_template(template, template);
    }
    defaults
});

/// Which template a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    Title,
    Body,
    CommitMessage,
}

impl TemplateKind {
    /// The longest text in bytes that is written out; what the forge takes is checked later.
    fn output_max(self) -> usize {
        match self {
            Self::Title => 10_000,
            Self::Body | Self::CommitMessage => 1 << 20,
        }
    }
}

/// Tries a template of the configuration on examples; the error is for people.
pub fn validate_template(kind: TemplateKind, template: &str) -> Result<(), String> {
    for example in Context::examples(kind) {
        let text = render(kind, template, &example)?;
        if text.trim().is_empty() {
            return Err("renders to nothing".to_owned());
        }
        if kind == TemplateKind::Body {
            forbid_comments(&text)?;
        }
    }
    Ok(())
}

/// A body has one hidden block, and nothing that could hide it or look like it.
pub(super) fn forbid_comments(body: &str) -> Result<(), String> {
    if body.contains("<!--") { Err("a body's template may not write HTML comments".to_owned()) } else { Ok(()) }
}

/// Renders within the limits; the error is for people.
pub(super) fn render(kind: TemplateKind, template: &str, context: &impl Serialize) -> Result<String, String> {
    let mut output = Bounded { bytes: Vec::new(), room: kind.output_max() };
    let mut write = |compiled: Template<'_, '_>| {
        compiled.render_captured_to(minijinja::value::Serde(context), &mut output).map(drop)
    };
    let own = environment();
    let rendered = match DEFAULTS.get_template(template) {
        Ok(compiled) => write(compiled),
        Err(_) => own.template_from_str(template).and_then(write),
    };
    match rendered {
        Ok(()) => String::from_utf8(output.bytes).map_err(|error| error.to_string()),
        Err(error) => Err(describe(&error, &own, template, context)),
    }
}

/// With the limits of every template.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // Values arrive harmless for the place they are for: see `escape`.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// `line 2: unknown function: …`; names the variables that there are not, where that is what is wrong.
fn describe(error: &Error, environment: &Environment<'_>, template: &str, context: &impl Serialize) -> String {
    let kind = error.kind();
    let what = error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}"));
    let place = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let parsed = environment.template_from_str(template);
    let names = parsed.map(|template| template.undeclared_variables(false)).unwrap_or_default();
    let known = serde_json::to_value(context).unwrap_or_default();
    let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let is_unknown = |name: &&String| known.get(name).is_none() && !globals.contains(name.as_str());
    let unknown: BTreeSet<String> = names.iter().filter(is_unknown).map(|name| format!("`{name}`")).collect();
    if kind != ErrorKind::UndefinedError || unknown.is_empty() {
        return format!("{place}{what}");
    }
    format!("{place}there is no variable {}", unknown.into_iter().collect::<Vec<_>>().join(", "))
}

/// A writer that takes no more than it has room for.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(buffer.len()).ok_or_else(|| io::Error::other("the text is too long"))?;
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [TemplateKind; 3] = [TemplateKind::Title, TemplateKind::Body, TemplateKind::CommitMessage];

    #[test]
    fn the_defaults_are_valid() {
        for (kind, template) in KINDS.into_iter().zip([TITLE, BODY, COMMIT_MESSAGE]) {
            assert_eq!(validate_template(kind, template), Ok(()));
        }
    }

    #[test]
    fn mistakes_are_found_when_the_template_is_read() {
        for template in ["{{ nosuch }}", "{{ image", "{% for %}", "{{ pins[0].nosuch }}", "{{ image|nosuch }}", " "] {
            for kind in KINDS {
                assert!(validate_template(kind, template).is_err(), "{template}");
            }
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_the_name_that_there_is_not() {
        let told = |template| validate_template(TemplateKind::Title, template).unwrap_err();
        assert_eq!(told("{{ count }}\n{{ nosuch }}"), "line 2: there is no variable `nosuch`");
        assert_eq!(told("{{ image|nosuch }}"), "line 1: unknown filter: filter nosuch is unknown");
        assert_eq!(told("{{ pins[0].nosuch }}"), "line 1: undefined value");
    }

    #[test]
    fn a_template_that_does_too_much_or_hides_something_is_refused() {
        for template in
            ["{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "{{ 'x' * 50000000 }}"]
        {
            assert!(validate_template(TemplateKind::Body, template).is_err(), "{template}");
        }
    }
}
