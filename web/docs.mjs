// Builds dist/docs: the documents for clients as plain pages, without a script. What they say comes from docs/.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { Marked } from "marked";

const DOCS = "../docs";
const json = async (name) => JSON.parse(await readFile(`${DOCS}/api/${name}.json`, "utf8"));
const escaped = (text) => String(text ?? "").replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
const code = (value) => `<pre><code>${escaped(JSON.stringify(value, null, 2))}</code></pre>`;
/** A sentence with `code` in it. */
const sentence = (text) => escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");
const slug = (text) => text.toLowerCase().replace(/<[^>]+>|&[^;]+;/g, "").replace(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");

// Links between the pages stay inside; what is elsewhere in the repository is told by its name.
const marked = new Marked({
  renderer: {
    heading({ tokens, depth }) {
      const text = this.parser.parseInline(tokens);
      return `<h${depth} id="${slug(text)}">${text}</h${depth}>\n`;
    },
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      const [path, anchor = ""] = href.split("#");
      const name = path.replace(/^(\.\.\/)*(docs\/|vocabularies\/)*/, "").replace(/\.md$/, "");
      const to = path === "" ? "" : PAGES.has(name) ? `/docs/${name}` : /^api\/\w+\.json$/.test(name) ? `/docs/${name.slice(4)}` : null;
      if (/^https?:/.test(href)) return `<a href="${escaped(href)}" rel="noreferrer">${text}</a>`;
      return to === null ? text : `<a href="${to}${anchor && `#${anchor}`}">${text}</a>`;
    },
    html: ({ text }) => escaped(text),
  },
});

const VOCABULARIES = (await readdir(`${DOCS}/vocabularies`)).filter((name) => name.endsWith(".md")).map((name) => name.slice(0, -3));
const TEXTS = { clients: "clients.md", accounts: "accounts.md", errors: "errors.md", ...Object.fromEntries(VOCABULARIES.map((name) => [name, `vocabularies/${name}.md`])) };
const PAGES = new Set([...Object.keys(TEXTS), "events", "requests"]);
const TITLES = { clients: "Clients", accounts: "Accounts and tokens", errors: "Errors", events: "Events", requests: "Requests" };
const title = (name) => TITLES[name] ?? name;

function page(name, body) {
  const links = ["", ...["clients", "accounts", ...VOCABULARIES, "events", "requests", "errors"]].map(
    (one) => `<a href="/docs${one && `/${one}`}"${one === name ? ' aria-current="page"' : ""}>${one ? title(one) : "Parlor"}</a>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${name ? `${title(name)} · ` : ""}Parlor's documents</title>
  <link rel="icon" href="/docs/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/docs/docs.css">
</head>
<body>
  <nav aria-label="Documents">${links.join("\n    ")}</nav>
  <main>
${body}
  </main>
</body>
</html>
`;
}

/** A schema's properties as a table; objects inside are named, and told below. */
function table(schema, whole) {
  const properties = Object.entries(schema?.properties ?? {});
  if (properties.length === 0) return "<p>Nothing.</p>";
  const kind = (one) => {
    if (one.$ref) return `<a href="#${slug(named(one.$ref))}">${escaped(named(one.$ref))}</a>`;
    const any = one.anyOf ?? one.allOf;
    if (any) return any.map(kind).join(" or ");
    if (one.enum) return one.enum.map((word) => `<code>${escaped(word)}</code>`).join(", ");
    if (one.items) return `array of ${kind(one.items)}`;
    const type = [one.type ?? "any"].flat().join(" or ");
    const bounds = [one.format, one.maxLength && `at most ${one.maxLength} characters`, one.maxItems && `at most ${one.maxItems}`];
    return [type, ...bounds.filter(Boolean)].map(escaped).join(", ");
  };
  const required = new Set(schema.required ?? []);
  const either = new Set((schema.anyOf ?? schema.oneOf ?? []).flatMap((one) => one.required));
  const rows = properties.map(([name, one]) => {
    const need = required.has(name) ? "yes" : either.has(name) ? "one of these" : "";
    return `<tr><td><code>${escaped(name)}</code></td><td>${kind(one)}</td><td>${need}</td><td>${sentence(one.description)}</td></tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>field</th><th>type</th><th>${whole ? "always" : "needed"}</th><th></th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}
const named = (reference) => reference.split("/").pop();

function objects(schemas, prefix) {
  return Object.entries(schemas)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, schema]) => `<details id="${slug(name)}" open><summary><code>${escaped(name)}</code></summary>${table(schema, true)}</details>`)
    .join("\n");
}

function events({ info, channels, operations, components }) {
  const parts = Object.entries(channels).map(([name, { description, messages }]) => {
    const of = (action) => Object.entries(operations).filter(([id, one]) => id.startsWith(`${name}.`) && one.action === action);
    const message = (reference) => messages[reference.$ref.split("/messages/")[1]];
    const said = of("receive").map(([, operation]) => {
      const event = message(operation.messages[0]);
      const ack = operation.reply && message(operation.reply.messages[0]);
      return `<details id="${slug(`${name}-${event.name}`)}"><summary><code>${escaped(event.name)}</code> ${sentence(operation.summary)}</summary>
${table(event.payload)}<p>For example:</p>${code(event.examples[0].payload)}${ack ? `<p>The ack:</p>${table(ack.payload, true)}${code(ack.examples[0].payload)}` : "<p>No ack.</p>"}</details>`;
    });
    const heard = of("send").map(([, operation]) => {
      const event = message(operation.messages[0]);
      return `<details><summary><code>${escaped(event.name)}</code> ${sentence(operation.summary)}</summary>${table(event.payload, true)}${code(event.examples[0].payload)}</details>`;
    });
    return `<section><h2 id="${name}">${name}</h2><p>${sentence(description)} <a href="/docs/${name}">The page of ${name}</a>.</p>
<h3>What a client sends</h3>${said.join("\n")}
<details><summary>A refusal's ack</summary>${table(messages.refusal.payload, true)}${code(messages.refusal.examples[0].payload)}</details>
<h3>What a client hears</h3>${heard.join("\n")}
<h3>Objects</h3>${objects(components.schemas, `${name}.`)}</section>`;
  });
  const list = Object.keys(channels).map((name) => `<a href="#${name}">${name}</a>`).join(", ");
  return `<h1>Events</h1><p>${sentence(info.description)} As <a href="/docs/asyncapi.json">AsyncAPI 3.0</a>; in ${list}.</p>${parts.join("\n")}`;
}

function requests({ info, tags, paths, components }) {
  const who = { token: "a user's token", serverKey: "a server key", refresh: "the refresh cookie" };
  const found = (one) => (one.$ref ? one.$ref.split("/").slice(1).reduce((at, key) => at[key], { components }) : one);
  const operation = (path, method, one) => {
    const may = one.security.map((needs) => Object.keys(needs).map((name) => who[name])[0] ?? "a signed address");
    const parameters = one.parameters.map(found);
    const given = { required: parameters.filter((given) => given.required).map(({ name }) => name), properties: Object.fromEntries(parameters.map(({ name, schema, in: place, description }) => [name, { ...schema, description: `${description ?? schema.description ?? ""} (${place})` }])) };
    const body = one.requestBody?.content["application/json"]?.schema;
    const answers = Object.entries(one.responses).map(([status, answer]) => {
      const schema = found(answer).content?.["application/json"]?.schema;
      const codes = (schema?.properties?.error ?? schema?.properties?.code)?.enum;
      if (codes) return `<li>${status}: ${codes.map((word) => `<code>${escaped(word)}</code>`).join(", ")}</li>`;
      return `<li>${status} ${escaped(found(answer).description)}${schema?.properties ? table(schema, true) : ""}</li>`;
    });
    return `<details id="${escaped(one.operationId)}"><summary><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${sentence(one.summary)}</summary>
<p>With ${may.join(", or ") || "nothing"}.</p>${parameters.length ? table(given) : ""}${body ? `<p>Body:</p>${table(body)}` : ""}<ul>${answers.join("")}</ul></details>`;
  };
  const parts = tags.map(({ name, description }) => {
    const own = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, one]) => one.tags[0] === name).map(([method, one]) => operation(path, method, one)));
    return `<section><h2 id="${name}">${name}</h2><p>${sentence(description)}</p>${own.join("\n")}</section>`;
  });
  return `<h1>Requests</h1><p>${sentence(info.description)} As <a href="/docs/openapi.json">OpenAPI 3.1</a>; refusals are told in <a href="/docs/errors">Errors</a>.</p>${parts.join("\n")}<h2>Objects</h2>${objects(components.schemas, "")}`;
}

/** Writes the pages below `folder`. */
export async function buildDocs(folder) {
  await mkdir(folder, { recursive: true });
  const write = (name, content) => writeFile(`${folder}/${name}`, content);
  for (const [name, file] of Object.entries(TEXTS)) {
    await write(`${name}.html`, page(name, marked.parse(await readFile(`${DOCS}/${file}`, "utf8"))));
  }
  await write("events.html", page("events", events(await json("asyncapi"))));
  await write("requests.html", page("requests", requests(await json("openapi"))));
  const index = `<h1>Parlor</h1>
<p>What clients say and hear.</p>
<ul>
<li><a href="/docs/clients">Clients</a>: connecting, coming back, limits and close codes</li>
<li><a href="/docs/accounts">Accounts and tokens</a></li>
${VOCABULARIES.map((name) => `<li><a href="/docs/${name}">${name}</a>: a vocabulary, with its events, acks, errors and limits</li>`).join("\n")}
<li><a href="/docs/events">Events</a>: every event of every vocabulary, as <a href="/docs/asyncapi.json">AsyncAPI 3.0</a></li>
<li><a href="/docs/requests">Requests</a>: REST, as <a href="/docs/openapi.json">OpenAPI 3.1</a></li>
<li><a href="/docs/errors">Errors</a>: every code, its status, and whether to try again</li>
</ul>`;
  await write("index.html", page("", index));
  await write("docs.css", await readFile("src/docs.css"));
  await write("icon.svg", await readFile("src/icon.svg"));
}
