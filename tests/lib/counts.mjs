// A reporter for node --test: one line a test, `pass|fail|skip NAME`, for the summary of tests/run.
export default async function* counts(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    // A file that could not be run at all is a test of its own, and a failed one.
    if (data.nesting > 0) continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    yield `${skipped ? "skip" : type.slice(5)} ${data.name}\n`;
  }
}
