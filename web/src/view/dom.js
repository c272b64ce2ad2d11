// How the page makes elements: by hand. What users write becomes text nodes, never markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties, and with children that are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

export function button(label, act, properties = {}) {
  return element("button", { type: "button", onclick: act, ...properties }, label);
}

/** A button that is a sign, with words for those who do not see it. */
export function sign(char, words, act, properties = {}) {
  return button(element("span", { ariaHidden: "true" }, char), act, { className: "quiet sign", ariaLabel: words, title: words, ...properties });
}

/** One hue for one person, on every screen. */
function hue(id) {
  let hash = 0;
  for (const char of String(id)) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

export function avatar(id, name, char) {
  const made = element("span", { className: "avatar", ariaHidden: "true" }, char ?? Array.from(String(name).trim())[0]?.toUpperCase() ?? "?");
  made.style.setProperty("--hue", hue(id));
  return made;
}

/** Somebody's presence, as a dot and as a word. */
export function dot(status) {
  const made = element("span", { className: "dot", title: status }, element("span", { className: "hidden" }, status));
  made.dataset.status = status;
  return made;
}

/**
 * Shows exactly these children, in this order, moving as little as possible: what has the focus keeps it.
 */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((node, place) => {
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
}
