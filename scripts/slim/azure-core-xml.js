// What the bundles get in place of "@azure/core-xml", which brings 80 kB of a general XML parser, part
// of it without a licence text. The client of Azure Blob Storage writes XML for one request that we
// make, the list of blocks of an upload, and reads it in answers that say what went wrong.

/** Elements for the members of an object; several for a list; `$` holds the attributes. */
export function stringifyXML(value, { rootName = "root" } = {}) {
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>${element(rootName, value)}`;
}

function element(name, value) {
  if (Array.isArray(value)) return value.map((one) => element(name, one)).join("");
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return `<${name}>${escaped(value)}</${name}>`;
  const { $: attributes = {}, ...members } = value;
  const head = Object.entries(attributes).map(([key, text]) => ` ${key}="${escaped(text)}"`);
  const body = Object.entries(members).map(([key, member]) => element(key, member));
  return `<${name}${head.join("")}>${body.join("")}</${name}>`;
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

function escaped(value) {
  return String(value).replaceAll(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** The texts of the elements within the root, by their names: all that an error answer consists of. */
export async function parseXML(text) {
  const fields = text.matchAll(/<([A-Za-z][\w.-]*)>([^<]*)<\/\1>/g);
  return Object.fromEntries([...fields].map(([, name, content]) => [name, content]));
}
