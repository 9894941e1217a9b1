//! Documents and answers against GraphQL's schema, by the rules that GitHub checks them with
//! (<https://spec.graphql.org/October2021/#sec-Validation>), as far as refrom's documents go.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{
    Definition, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, TypeCondition,
    Value, VariableDefinition,
};
use graphql_parser::schema::{self, Type, TypeDefinition};
use serde_json::Value as Json;

type Kind = Type<'static, String>;
/// The fields of a type, each with its type and its arguments.
type Fields = BTreeMap<String, (Kind, BTreeMap<String, Input>)>;
type Fragments<'a> = BTreeMap<&'a str, &'a FragmentDefinition<'a, String>>;

/// The types of a schema by name.
pub struct Schema(BTreeMap<String, Named>);

enum Named {
    /// An object or an interface.
    Composite {
        fields: Fields,
        interfaces: Vec<String>,
    },
    Enum(BTreeSet<String>),
    Inputs(BTreeMap<String, Input>),
    Scalar,
}

/// An argument, or a field of an input.
struct Input {
    kind: Kind,
    has_default: bool,
}

/// A document with the place that a mistake is at.
struct Check<'a> {
    schema: &'a Schema,
    fragments: Fragments<'a>,
    variables: &'a [VariableDefinition<'a, String>],
    used: BTreeSet<String>,
    mistakes: Vec<String>,
}

impl Schema {
    pub fn read(text: &str) -> Self {
        let document = graphql_parser::parse_schema::<String>(text).unwrap().into_static();
        let types = document.definitions.into_iter().map(|definition| match definition {
            schema::Definition::TypeDefinition(definition) => named(definition),
            other => panic!("not expected in an extract: {other:?}"),
        });
        Self(types.collect())
    }

    /// What is wrong with a document; nothing for one that GitHub takes.
    pub fn mistakes(&self, text: &str) -> Vec<String> {
        let document = match graphql_parser::parse_query::<String>(text) {
            Ok(document) => document,
            Err(error) => return vec![error.to_string()],
        };
        let (root, set, variables) = operation(&document);
        let fragments = fragments(&document);
        let mut check = Check { schema: self, fragments, variables, used: BTreeSet::new(), mistakes: Vec::new() };
        check.set(set, root);
        let names = variables.iter().map(|it| format!("${}", it.name));
        let unused = names.chain(check.fragments.keys().map(ToString::to_string)).filter(|it| !check.used.contains(it));
        let unused: Vec<_> = unused.map(|it| format!("`{it}` is not used")).collect();
        check.mistakes.into_iter().chain(unused).collect()
    }

    /// What is wrong with an answer to a document.
    pub fn answer_mistakes(&self, text: &str, answer: &Json) -> Vec<String> {
        let document = graphql_parser::parse_query::<String>(text).unwrap();
        let (root, set, _) = operation(&document);
        let mut reading = Answer {
            schema: self,
            fragments: fragments(&document),
            may_be_null: answer.get("errors").is_some(),
            mistakes: Vec::new(),
        };
        reading.object(&[set], root, &answer["data"]);
        reading.mistakes
    }

    fn fields(&self, name: &str) -> Option<&Fields> {
        match self.0.get(name) {
            Some(Named::Composite { fields, .. }) => Some(fields),
            _ => None,
        }
    }

    fn implements(&self, name: &str, interface: &str) -> bool {
        matches!(self.0.get(name), Some(Named::Composite { interfaces, .. }) if interfaces.iter().any(|it| it == interface))
    }

    fn may_be(&self, one: &str, other: &str) -> bool {
        one == other || self.implements(one, other) || self.implements(other, one)
    }
}

fn named(definition: TypeDefinition<'static, String>) -> (String, Named) {
    match definition {
        TypeDefinition::Object(it) => (it.name, composite(it.fields, it.implements_interfaces)),
        TypeDefinition::Interface(it) => (it.name, composite(it.fields, it.implements_interfaces)),
        TypeDefinition::Enum(it) => (it.name, Named::Enum(it.values.into_iter().map(|value| value.name).collect())),
        TypeDefinition::InputObject(it) => (it.name, Named::Inputs(inputs(it.fields))),
        TypeDefinition::Scalar(it) => (it.name, Named::Scalar),
        TypeDefinition::Union(it) => panic!("no union is used: {}", it.name),
    }
}

fn composite(fields: Vec<schema::Field<'static, String>>, interfaces: Vec<String>) -> Named {
    let fields = fields.into_iter().map(|it| (it.name, (it.field_type, inputs(it.arguments))));
    Named::Composite { fields: fields.collect(), interfaces }
}

fn inputs(values: Vec<schema::InputValue<'static, String>>) -> BTreeMap<String, Input> {
    let input = |it: schema::InputValue<'static, String>| {
        (it.name, Input { kind: it.value_type, has_default: it.default_value.is_some() })
    };
    values.into_iter().map(input).collect()
}

type Operation<'a> = (&'static str, &'a SelectionSet<'a, String>, &'a [VariableDefinition<'a, String>]);

fn operation<'a>(document: &'a Document<'a, String>) -> Operation<'a> {
    let operations = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(OperationDefinition::Query(it)) => {
            Some(("Query", &it.selection_set, it.variable_definitions.as_slice()))
        }
        Definition::Operation(OperationDefinition::Mutation(it)) => {
            Some(("Mutation", &it.selection_set, it.variable_definitions.as_slice()))
        }
        Definition::Operation(_) | Definition::Fragment(_) => None,
    });
    let operations: Vec<_> = operations.collect();
    let [only] = operations.as_slice() else { panic!("one named operation is expected") };
    *only
}

fn fragments<'a>(document: &'a Document<'a, String>) -> Fragments<'a> {
    let all = document.definitions.iter().filter_map(|definition| match definition {
        Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
        Definition::Operation(_) => None,
    });
    all.collect()
}

/// The type's name, without lists and non-null.
fn base(kind: &Kind) -> &str {
    match kind {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => base(inner),
    }
}

impl<'a> Check<'a> {
    fn set(&mut self, set: &'a SelectionSet<'a, String>, parent: &str) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => self.field(field, parent),
                Selection::InlineFragment(fragment) => {
                    let Some(TypeCondition::On(on)) = &fragment.type_condition else { continue };
                    self.narrow(&fragment.selection_set, on, parent);
                }
                Selection::FragmentSpread(spread) => match self.fragments.get(spread.fragment_name.as_str()).copied() {
                    Some(fragment) => {
                        self.used.insert(spread.fragment_name.clone());
                        let TypeCondition::On(on) = &fragment.type_condition;
                        self.narrow(&fragment.selection_set, on, parent);
                    }
                    None => self.mistakes.push(format!("no fragment `{}`", spread.fragment_name)),
                },
            }
        }
    }

    fn narrow(&mut self, set: &'a SelectionSet<'a, String>, on: &str, parent: &str) {
        if !self.schema.may_be(parent, on) {
            self.mistakes.push(format!("a `{parent}` is never a `{on}`"));
        }
        self.set(set, on);
    }

    fn field(&mut self, field: &'a Field<'a, String>, parent: &str) {
        let place = format!("{parent}.{}", field.name);
        let schema = self.schema;
        let Some((kind, inputs)) = schema.fields(parent).and_then(|fields| fields.get(&field.name)) else {
            return self.mistakes.push(format!("no field `{place}`"));
        };
        let given: Vec<_> = field.arguments.iter().map(|(name, value)| (name.as_str(), value)).collect();
        self.inputs(&place, inputs, &given);
        let has_fields = schema.fields(base(kind)).is_some();
        if has_fields == field.selection_set.items.is_empty() {
            let wrong = if has_fields { "needs" } else { "has no" };
            return self.mistakes.push(format!("`{place}` {wrong} fields"));
        }
        self.set(&field.selection_set, base(kind));
    }

    fn inputs(&mut self, place: &str, inputs: &'a BTreeMap<String, Input>, given: &[(&str, &Value<'a, String>)]) {
        for (name, value) in given {
            match inputs.get(*name) {
                Some(input) => self.value(&format!("{place}({name})"), value, &input.kind, input.has_default),
                None => self.mistakes.push(format!("no argument `{place}({name})`")),
            }
        }
        for (name, input) in inputs {
            let is_needed = matches!(input.kind, Type::NonNullType(_)) && !input.has_default;
            if is_needed && !given.iter().any(|(given, _)| given == name) {
                self.mistakes.push(format!("`{place}({name})` is missing"));
            }
        }
    }

    fn value(&mut self, place: &str, value: &Value<'a, String>, kind: &'a Kind, has_default: bool) {
        if let Value::Variable(name) = value {
            self.used.insert(format!("${name}"));
            let declared = self.variables.iter().find(|it| it.name == *name);
            let fits = declared.is_some_and(|it| fits(&it.var_type, kind, has_default || it.default_value.is_some()));
            if !fits {
                self.mistakes.push(format!("`${name}` is no `{kind}`, which `{place}` takes"));
            }
            return;
        }
        match (kind, value) {
            (Type::NonNullType(_), Value::Null) => self.mistakes.push(format!("`{place}` is null")),
            (_, Value::Null) => {}
            (Type::NonNullType(inner), value) => self.value(place, value, inner, has_default),
            (Type::ListType(inner), Value::List(values)) => {
                values.iter().for_each(|value| self.value(place, value, inner, false));
            }
            (Type::ListType(inner), value) => self.value(place, value, inner, false),
            (Type::NamedType(name), value) => self.named(place, value, name),
        }
    }

    fn named(&mut self, place: &str, value: &Value<'a, String>, name: &str) {
        let schema = self.schema;
        let is_fine = match (schema.0.get(name), value) {
            (Some(Named::Enum(values)), Value::Enum(value)) => values.contains(value),
            (Some(Named::Inputs(inputs)), Value::Object(fields)) => {
                let given: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
                self.inputs(place, inputs, &given);
                true
            }
            (Some(Named::Scalar), Value::Int(_)) => matches!(name, "Int" | "Float" | "ID"),
            (Some(Named::Scalar), Value::Boolean(_)) => name == "Boolean",
            (Some(Named::Scalar), Value::String(_)) => !matches!(name, "Int" | "Float" | "Boolean"),
            _ => false,
        };
        if !is_fine {
            self.mistakes.push(format!("`{place}` takes a `{name}`, not `{value}`"));
        }
    }
}

/// Whether a variable may stand where a type is wanted (section 5.8.5).
fn fits(variable: &Type<'_, String>, wanted: &Type<'_, String>, has_default: bool) -> bool {
    match (variable, wanted) {
        (Type::NonNullType(variable), Type::NonNullType(wanted)) => fits(variable, wanted, false),
        (variable, Type::NonNullType(wanted)) => has_default && fits(variable, wanted, false),
        (Type::NonNullType(variable), wanted) => fits(variable, wanted, false),
        (Type::ListType(variable), Type::ListType(wanted)) => fits(variable, wanted, false),
        (Type::NamedType(variable), Type::NamedType(wanted)) => variable == wanted,
        _ => false,
    }
}

/// An answer while it is read beside its document.
struct Answer<'a> {
    schema: &'a Schema,
    fragments: Fragments<'a>,
    /// An error beside the data stands for any `null`.
    may_be_null: bool,
    mistakes: Vec<String>,
}

impl<'a> Answer<'a> {
    fn object(&mut self, sets: &[&'a SelectionSet<'a, String>], parent: &str, data: &Json) {
        let Some(data) = data.as_object() else {
            if !(data.is_null() && self.may_be_null) {
                self.mistakes.push(format!("a `{parent}` is `{data}`"));
            }
            return;
        };
        // By the name in the answer: the type that has the field, the fields, and whether it must be there.
        let mut asked: BTreeMap<&str, (String, Vec<&'a Field<'a, String>>, bool)> = BTreeMap::new();
        sets.iter().for_each(|set| self.collect(set, (parent, true), &mut asked));
        for (name, value) in data {
            match asked.get(name.as_str()) {
                Some((on, fields, _)) => self.field(on, fields, value),
                None => self.mistakes.push(format!("`{name}` of a `{parent}` was not asked for")),
            }
        }
        let missing = asked.iter().filter(|(name, (_, _, is_certain))| *is_certain && !data.contains_key(**name));
        let missing: Vec<_> = missing.map(|(name, _)| format!("`{name}` of a `{parent}` is missing")).collect();
        self.mistakes.extend(missing);
    }

    fn collect(
        &self,
        set: &'a SelectionSet<'a, String>,
        (on, is_certain): (&str, bool),
        asked: &mut BTreeMap<&'a str, (String, Vec<&'a Field<'a, String>>, bool)>,
    ) {
        let mut narrow = |set, condition: &'a TypeCondition<'a, String>| {
            let TypeCondition::On(narrower) = condition;
            let is_always = narrower == on || self.schema.implements(on, narrower);
            self.collect(set, (narrower, is_certain && is_always), asked);
        };
        let mut fields = Vec::new();
        for selection in &set.items {
            match selection {
                Selection::Field(field) => fields.push(field),
                Selection::InlineFragment(it) => {
                    it.type_condition.iter().for_each(|condition| narrow(&it.selection_set, condition));
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.fragments[spread.fragment_name.as_str()];
                    narrow(&fragment.selection_set, &fragment.type_condition);
                }
            }
        }
        for field in fields {
            let name = field.alias.as_ref().unwrap_or(&field.name).as_str();
            let entry = asked.entry(name).or_insert_with(|| (on.to_owned(), Vec::new(), false));
            entry.1.push(field);
            entry.2 |= is_certain;
        }
    }

    fn field(&mut self, on: &str, fields: &[&'a Field<'a, String>], value: &Json) {
        let name = &fields[0].name;
        let (kind, _) = &self.schema.fields(on).unwrap()[name];
        let sets: Vec<_> = fields.iter().map(|field| &field.selection_set).collect();
        self.value(&format!("{on}.{name}"), kind, (&sets, value));
    }

    fn value(&mut self, place: &str, kind: &Kind, (sets, value): (&[&'a SelectionSet<'a, String>], &Json)) {
        match kind {
            Type::NonNullType(_) if value.is_null() => {
                if !self.may_be_null {
                    self.mistakes.push(format!("`{place}` is null"));
                }
            }
            _ if value.is_null() => {}
            Type::NonNullType(inner) => self.value(place, inner, (sets, value)),
            Type::ListType(inner) => match value.as_array() {
                Some(values) => values.iter().for_each(|value| self.value(place, inner, (sets, value))),
                None => self.mistakes.push(format!("`{place}` is no list")),
            },
            Type::NamedType(name) => {
                let is_fine = match &self.schema.0[name] {
                    Named::Composite { .. } => return self.object(sets, name, value),
                    Named::Enum(values) => value.as_str().is_some_and(|value| values.contains(value)),
                    Named::Scalar if name == "Boolean" => value.is_boolean(),
                    Named::Scalar if name == "Int" => value.is_i64(),
                    Named::Scalar => value.is_string(),
                    Named::Inputs(_) => false,
                };
                if !is_fine {
                    self.mistakes.push(format!("`{place}` is no `{name}`: {value}"));
                }
            }
        }
    }
}
