// A dialog over the page. The browser keeps the focus in it, closes it with Escape and gives the focus back.

import { element, sign } from "./dom.js";

export function sheet(title, ...content) {
  const close = () => made.close();
  const head = element("h2", { id: "sheet-title" }, title);
  const made = element("dialog", { className: "sheet" }, element("header", {}, head, sign("×", "Close", close)), ...content);
  made.setAttribute("aria-labelledby", "sheet-title");
  made.addEventListener("close", () => made.remove());
  // A click beside it.
  made.addEventListener("click", (event) => event.target === made && close());
  document.body.append(made);
  made.showModal();
  return made;
}

let fields = 0;

/** A form of labelled fields. `fill(values)` may throw: its words stand in the form. */
export function form({ legend, inputs, submit, done }) {
  const error = element("p", { className: "error", role: "alert" });
  const made = element("form", { className: "fields" });
  const fieldset = element("fieldset", {}, legend ? element("legend", {}, legend) : null);
  const values = {};
  for (const { name, label, list, ...properties } of inputs) {
    const id = `field-${++fields}`;
    const multi = properties.rows !== undefined;
    values[name] = element(multi ? "textarea" : "input", { id, autocomplete: "off", ...properties });
    fieldset.append(element("label", { htmlFor: id }, label), values[name]);
    if (list) {
      const options = element("datalist", { id: `${id}-list` }, list.map(([value, text]) => element("option", { value }, text)));
      values[name].setAttribute("list", options.id);
      fieldset.append(options);
    }
  }
  fieldset.append(element("button", { type: "submit", className: "primary" }, submit), error);
  made.append(fieldset);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    fieldset.disabled = true;
    error.textContent = "";
    try {
      await done(Object.fromEntries(Object.entries(values).map(([name, field]) => [name, field.value.trim()])));
      made.closest("dialog")?.close();
    } catch (refusal) {
      error.textContent = refusal.message;
    } finally {
      fieldset.disabled = false;
    }
  });
  return made;
}
