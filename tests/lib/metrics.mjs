// What a process counts, as Prometheus reads it.

/** A reader of the numbers of this moment. */
export async function metrics(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  /** The sum over a metric's labels; undefined if there is none. */
  return (name, label = "") => {
    const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)) && line.includes(label));
    return lines.length ? lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0) : undefined;
  };
}
