// Runs a snippet of the documents as it stands, but for address and token.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { randomUUID } from "./clients.mjs";

const snippets = new URL("../snippets/", import.meta.url);
/** Inside node_modules, so that bare imports resolve and nothing is left in the tree. */
const scratch = new URL("../node_modules/.snippets/", import.meta.url);

/** What running snippets may see beyond the language, by snippet. */
const given = (globalThis.__snippets ??= new Map());

/**
 * Runs `snippets/<name>`. `url` and `token` take the place of the document's, `names` are what the document leaves to
 * the application or to an earlier snippet, and the result has what the snippet declares under the names in `wants`.
 * `console` of the snippet is a list: every call's arguments.
 */
export async function run(name, { url, token, names = {}, wants = [] }) {
  const source = await readFile(new URL(name, snippets), "utf8");
  let text = source.replaceAll(/http:\/\/localhost:300[01]/g, url);
  if (token) text = text.replaceAll("your-jwt-token", token);
  else if (text.includes("your-jwt-token")) throw new Error(`${name} needs a token`);

  const id = randomUUID();
  const said = [];
  const console = { log: (...args) => said.push(args), error: (...args) => said.push(["error", ...args]) };
  given.set(id, { ...names, console });
  const before = `const { ${["console", ...Object.keys(names)].join(", ")} } = globalThis.__snippets.get("${id}");\n`;
  const after = wants.length ? `\nexport { ${wants.join(", ")} };\n` : "";
  const { code } = await transform(before + text + after, { loader: "ts", format: "esm", target: "es2022" });
  await mkdir(scratch, { recursive: true });
  const file = new URL(`${id}.mjs`, scratch);
  await writeFile(file, code);
  const module = await import(fileURLToPath(file));
  return { ...module, said };
}
