// Makes the extracts of GitHub's published descriptions that the tests check refrom's requests and the embedded
// forge's answers against. The descriptions are 20 MB; the extracts have what `used.json` names.
//
//   npm pack @octokit/graphql-schema@15.26.1 @octokit/openapi@23.0.2
//   for archive in *.tgz; do mkdir "${archive%.tgz}"; tar -xzf "$archive" -C "${archive%.tgz}"; done
//   node tests/descriptions/trim.mjs octokit-graphql-schema-15.26.1/package octokit-openapi-23.0.2/package
//
// It ends with an error where `used.json` names what is not described, or where a field that refrom relies on (`!`)
// need not be in the answer or may be null without being marked as such (`?`). A dot leads into an object or the items
// of a list.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [graphqlPackage, openapiPackage] = process.argv.slice(2);
const json = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));
const used = json(here, "used.json");
const fail = (message) => {
  throw new Error(message);
};

// GraphQL: the named fields of the named types with all of their arguments, and every enum, input and scalar they need.
function trimGraphql() {
  const { types } = json(graphqlPackage, "schema.json").__schema;
  const all = new Map(types.map((type) => [type.name, type]));
  const written = (type) =>
    type.kind === "NON_NULL" ? `${written(type.ofType)}!` : type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
  const named = (type) => (type.ofType ? named(type.ofType) : type.name);
  const needed = new Set();
  const need = (name) => {
    const type = all.get(name) ?? fail(`no type ${name}`);
    if (["OBJECT", "INTERFACE", "UNION"].includes(type.kind)) {
      used.graphql[name] ?? fail(`${name} is needed and not in used.json`);
    } else if (!needed.has(name)) {
      needed.add(name);
      (type.inputFields ?? []).forEach((field) => need(named(field.type)));
    }
  };
  const argument = (it) => {
    need(named(it.type));
    return `${it.name}: ${written(it.type)}${it.defaultValue ? ` = ${it.defaultValue}` : ""}`;
  };
  const composite = Object.entries(used.graphql).map(([name, fields]) => {
    const type = all.get(name) ?? fail(`no type ${name}`);
    const lines = fields.map((wanted) => {
      const field = type.fields.find((it) => it.name === wanted) ?? fail(`no field ${name}.${wanted}`);
      need(named(field.type));
      const parameters = field.args.length > 0 ? `(${field.args.map(argument).join(", ")})` : "";
      return `  ${wanted}${parameters}: ${written(field.type)}\n`;
    });
    const interfaces = (type.interfaces ?? []).map((it) => it.name).filter((it) => used.graphql[it]);
    const keyword = type.kind === "INTERFACE" ? "interface" : "type";
    return `${keyword} ${name}${interfaces.length > 0 ? ` implements ${interfaces.join(" & ")}` : ""} {\n${lines.join("")}}\n`;
  });
  const simple = [...needed].sort().map((name) => {
    const type = all.get(name);
    if (type.kind === "ENUM") {
      return `enum ${name} {\n${type.enumValues.map((value) => `  ${value.name}\n`).join("")}}\n`;
    }
    if (type.kind === "INPUT_OBJECT") {
      return `input ${name} {\n${type.inputFields.map((field) => `  ${argument(field)}\n`).join("")}}\n`;
    }
    return `scalar ${name}\n`;
  });
  const { name, version } = json(graphqlPackage, "package.json");
  const head = `# What refrom uses of ${name} ${version}; made by trim.mjs.\n\n`;
  writeFileSync(join(here, "github.graphql"), head + [...composite, ...simple].join("\n"));
}

// REST: the whole request bodies, and of the answers the named fields.
function trimRest() {
  const api = json(openapiPackage, "generated", "api.github.com.json");
  const resolve = (schema) =>
    schema.$ref ? schema.$ref.slice(2).split("/").reduce((value, step) => value[step], api) : schema;
  const request = (schema) => {
    const { type, nullable, enum: values, properties, required, items, oneOf, anyOf } = resolve(schema);
    const trimmed = { type, nullable, enum: values, required };
    if (properties) {
      trimmed.properties = Object.fromEntries(Object.entries(properties).map(([name, it]) => [name, request(it)]));
    }
    if (items) trimmed.items = request(items);
    const either = oneOf ?? anyOf;
    if (either?.some((it) => resolve(it).type)) trimmed.oneOf = either.map(request);
    return trimmed;
  };
  // `fields` is a tree; `where` names the place. Of several forms each keeps the fields that it has.
  const answer = (schema, fields, where) => {
    const { type, nullable, enum: values, properties, required = [], items, oneOf, anyOf, allOf } = resolve(schema);
    if (allOf?.length === 1) return answer({ ...resolve(allOf[0]), nullable }, fields, where);
    // Some places say `allOf` where they mean a user or an enterprise.
    const either = oneOf ?? anyOf ?? allOf;
    if (either) {
      const forms = either.map((it) => attempt(() => answer(it, fields, where)) ?? partly(it, fields, where));
      return { nullable, oneOf: forms.filter(Boolean) };
    }
    if (items) return { type, nullable, items: answer(items, fields, where) };
    const names = Object.keys(fields);
    if (names.length === 0) return { type, nullable, enum: values };
    const kept = {};
    for (const name of names) {
      const { below, isRead, mayBeNull } = fields[name];
      const place = `${where}.${name}`;
      const property = properties?.[name] ?? fail(`no field ${place}`);
      kept[name] = answer(property, below, place);
      const isCertain = required.includes(name) && !kept[name].nullable;
      if (isRead && !isCertain && !mayBeNull) fail(`${place} is relied on, and need not be there`);
    }
    return { type, nullable, required: names.filter((name) => required.includes(name)), properties: kept };
  };
  const attempt = (work) => {
    try {
      return work();
    } catch {
      return undefined;
    }
  };
  const partly = (schema, fields, where) => {
    const { properties = {} } = resolve(schema);
    const own = Object.fromEntries(Object.entries(fields).filter(([name]) => properties[name]));
    return Object.keys(own).length > 0 ? answer(schema, own, where) : undefined;
  };
  const tree = (paths) => {
    const root = {};
    for (const written of paths) {
      const isRead = written.startsWith("!");
      let fields = root;
      for (const step of written.replace("!", "").split(".")) {
        const [name, mark] = step.split("?");
        fields[name] ??= { below: {}, isRead: false, mayBeNull: false };
        fields[name].isRead ||= isRead;
        fields[name].mayBeNull ||= mark !== undefined;
        fields = fields[name].below;
      }
    }
    return root;
  };
  const endpoints = used.rest.map(({ method, path, status, fields }) => {
    const operation = api.paths[path]?.[method.toLowerCase()] ?? fail(`no endpoint ${method} ${path}`);
    const schema = (place) => place?.content?.["application/json"]?.schema;
    const body = schema(operation.requestBody);
    const described = schema(operation.responses[status]) ?? fail(`no answer ${status} of ${method} ${path}`);
    const query = (operation.parameters ?? []).map(resolve).filter((it) => it.in === "query").map((it) => it.name);
    return {
      method, path, query, status: Number(status),
      needsRequest: operation.requestBody?.required, request: body && request(body),
      answer: answer(described, tree(fields), `${method} ${path}`),
    };
  });
  const { name, version } = json(openapiPackage, "package.json");
  const text = JSON.stringify({ description: `${name} ${version}, api.github.com`, endpoints }, null, 1);
  writeFileSync(join(here, "github-rest.json"), `${text}\n`);
}

trimGraphql();
trimRest();
