// The documents for clients are what they say they are: AsyncAPI and OpenAPI, by validators that others wrote.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const exec = promisify(execFile);
const read = async (name) => JSON.parse(await readFile(`${ROOT}/docs/api/${name}.json`, "utf8"));

test("the AsyncAPI document is one, by AsyncAPI's own parser", async () => {
  const { document, diagnostics } = await new Parser().parse(await readFile(`${ROOT}/docs/api/asyncapi.json`, "utf8"));
  const faults = diagnostics.filter(({ severity }) => severity === 0);
  assert.deepEqual(faults.slice(0, 5).map(({ message, path }) => `${path.join("/")}: ${message}`), []);
  assert.ok(document.channels().length === 4 && document.operations().length > 200);
});

test("every example of the AsyncAPI document is of its schema", async () => {
  const document = await read("asyncapi");
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema({ $id: "parlor:/", ...document });
  let examples = 0;
  for (const [vocabulary, { messages }] of Object.entries(document.channels)) {
    for (const [name, message] of Object.entries(messages)) {
      const at = `parlor:/#/channels/${vocabulary}/messages/${name.replaceAll("/", "~1")}/payload`;
      const valid = ajv.getSchema(at);
      for (const { payload } of message.examples) {
        assert.ok(valid(payload), `${vocabulary} ${name}: ${ajv.errorsText(valid.errors)}`);
        examples += 1;
      }
    }
  }
  assert.ok(examples > 300, `${examples}`);
});

test("the OpenAPI document is one, by a validator that reads the whole of it", async () => {
  await exec(`${ROOT}/.tools/api/bin/python`, ["-m", "openapi_spec_validator", `${ROOT}/docs/api/openapi.json`]);
});
