// Runs a snippet of the documents as it stands, but for address and token.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { randomUUID } from "./clients.mjs";

const snippets = new URL("../snippets/", import.meta.url);
/** Inside node_modules, so that bare imports resolve and nothing is left in the tree. */
const scratch = new URL("../node_modules/.snippets/", import.meta.url);

/** What running snippets may see beyond the language, by snippet. */
const given = (globalThis.__snippets ??= new Map());

/** A snippet with the test's address and token in place of the document's. */
async function read(name, { url, token }) {
  const text = (await readFile(new URL(name, snippets), "utf8")).replaceAll(/http:\/\/localhost:300[01]/g, url);
  if (!token && text.includes("your-jwt-token")) throw new Error(`${name} needs a token`);
  return text.replaceAll("your-jwt-token", token);
}

/**
 * Runs `snippets/<name>`. `url` and `token` take the place of the document's, `names` are what the document leaves to
 * the application or to an earlier snippet, `declares` names that it assigns to without declaring them, and the result
 * has what the snippet declares under the names in `wants`.
 * `console` of the snippet is a list: every call's arguments.
 */
export async function run(name, { url, token, names = {}, declares = [], wants = [] }) {
  const text = await read(name, { url, token });

  const id = randomUUID();
  const said = [];
  const console = { log: (...args) => said.push(args), error: (...args) => said.push(["error", ...args]) };
  given.set(id, { ...names, console });
  const before = `const { ${["console", ...Object.keys(names)].join(", ")} } = globalThis.__snippets.get("${id}");\n${declares.map((name) => `let ${name}: any;\n`).join("")}`;
  const after = wants.length ? `\nexport { ${wants.join(", ")} };\n` : "";
  const { code } = await transform(before + text + after, { loader: "ts", format: "esm", target: "es2022" });
  await mkdir(scratch, { recursive: true });
  const file = new URL(`${id}.mjs`, scratch);
  await writeFile(file, code);
  const module = await import(fileURLToPath(file));
  return { ...module, said };
}

/** A snippet that is no script, as it stands. */
export const text = (name) => readFile(new URL(name, snippets), "utf8");

/**
 * A script for a browser: `snippets/<page>`, which imports the snippet under the name `snippet`. What the document leaves
 * around it stands in `before` and `after`.
 */
export async function bundle(name, page, { url, token, before = "", after = "" }) {
  const contents = before + (await read(name, { url, token })) + after;
  const snippet = {
    name: "snippet",
    setup(build) {
      build.onResolve({ filter: /^snippet$/ }, () => ({ path: name, namespace: "snippet" }));
      const resolveDir = fileURLToPath(snippets);
      build.onLoad({ filter: /.*/, namespace: "snippet" }, () => ({ contents, loader: "ts", resolveDir }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(page, snippets))],
    bundle: true,
    write: false,
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [snippet],
  });
  return outputFiles[0].text;
}
