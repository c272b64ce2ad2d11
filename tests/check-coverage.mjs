// Checks docs/coverage.md: every requirement is there once, and every test and file that it names exists.
// Needs nothing but Node, so that it can come before anything is fetched or built.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/coverage.md";
/** How many requirements there are of each prefix. */
const RANGES = { X: 64, D: 227, S: 129, C: 75, V: 120 };

const wrong = [];

function* files(folder, ends) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (["target", "node_modules"].includes(entry.name) || entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path, ends);
    else if (ends.some((end) => entry.name.endsWith(end))) yield path;
  }
}

// Tests of the contract suites are plain functions beside their port, so any function of that name will do.
const functions = new Set();
for (const path of files(".", [".rs"])) {
  for (const [, name] of readFileSync(join(root, path), "utf8").matchAll(/\bfn (\w+)/g)) functions.add(name);
}

/** Names of node's tests; one with `${…}` in it stands for all that it may become. */
const tests = [];
for (const path of [...files("tests", [".test.mjs"]), ...files("web/test", [".test.js"])]) {
  const seen = new Set();
  for (const [, , name] of readFileSync(join(root, path), "utf8").matchAll(/\btest\(\s*(["'`])(.*?)\1\s*,/gs)) {
    if (seen.has(name) || tests.some((test) => test.name === name)) wrong.push(`${path}: there are two tests "${name}"`);
    seen.add(name);
    const pattern = name.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    tests.push({ name, matches: new RegExp(`^${pattern.join(".+")}$`) });
  }
}

const exists = (name) =>
  functions.has(name) ||
  tests.some((test) => test.matches.test(name)) ||
  (/^[\w./-]+\/[\w./-]+$/.test(name) && existsSync(join(root, name)));

const counts = new Map();
const held = { all: 0 };
readFileSync(join(root, PAGE), "utf8").split("\n").forEach((line, index) => {
  const at = `${PAGE}:${index + 1}`;
  const row = /^\| *([A-Z])-(\d{3}) *\|(.*)\|([^|]*)\|$/.exec(line);
  if (!row) {
    if (/^\|.*[A-Z]-\d{3}/.test(line)) wrong.push(`${at}: not "| D-035 | what it is about | \`test\` or open |"`);
    return;
  }
  const [, prefix, number, about, by] = row;
  const id = `${prefix}-${number}`;
  if (!(Number(number) >= 1 && Number(number) <= (RANGES[prefix] ?? 0))) wrong.push(`${at}: there is no ${id}`);
  counts.set(id, (counts.get(id) ?? 0) + 1);
  if (!about.trim()) wrong.push(`${at}: ${id} does not say what it is about`);
  const cell = by.trim();
  if (cell === "open") return;
  const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  if (!names.length || cell.replaceAll(/`[^`]+`/g, "").replaceAll(/[,\s]/g, "")) {
    wrong.push(`${at}: ${id} needs names in backticks with commas between them, or "open"`);
  }
  for (const name of names) if (!exists(name)) wrong.push(`${at}: ${id} names "${name}", which is no test and no file`);
  held[prefix] = (held[prefix] ?? 0) + 1;
  held.all++;
});

let all = 0;
for (const [prefix, last] of Object.entries(RANGES)) {
  all += last;
  for (let number = 1; number <= last; number++) {
    const id = `${prefix}-${String(number).padStart(3, "0")}`;
    const times = counts.get(id) ?? 0;
    if (times !== 1) wrong.push(`${PAGE}: ${id} is there ${times} times`);
  }
}

for (const line of wrong) console.error(line);
for (const [prefix, last] of Object.entries(RANGES)) {
  console.log(`  ${prefix}   ${String(held[prefix] ?? 0).padStart(3)} held  ${String(last - (held[prefix] ?? 0)).padStart(3)} open`);
}
console.log(`  all ${String(held.all).padStart(3)} held  ${String(all - held.all).padStart(3)} open`);
if (wrong.length) {
  console.error(`\nerror: ${wrong.length} faults in ${PAGE}\n  next: mend the lines above`);
  process.exit(1);
}
