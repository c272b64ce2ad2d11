// Builds dist/: the page with one script and one style sheet, each named by its content so that it can be cached for good; and
// the documents for clients.
import { rm, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";
import { buildDocs } from "./docs.mjs";

await rm("dist", { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ["src/main.js", "src/style.css"],
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  metafile: true,
});

let page = await readFile("src/index.html", "utf8");
for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
  page = page.replace(basename(entryPoint), `assets/${basename(path)}`);
}
await mkdir("dist", { recursive: true });
await writeFile("dist/index.html", page);
await writeFile("dist/icon.svg", await readFile("src/icon.svg"));
await buildDocs("dist/docs");
console.log(Object.keys(metafile.outputs).concat("dist/index.html", "dist/icon.svg", "dist/docs").join("\n"));
