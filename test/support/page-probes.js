// What tests ask of a page. A browser runs this before each page; it is no part of the page.

const all = (selector) => [...document.querySelectorAll(selector)];

globalThis.probes = {
  /** The element that has the keyboard: what it is called, and whether one sees that. */
  focused() {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { top, bottom, width } = element.getBoundingClientRect();
    return {
      tag: element.tagName,
      text: element.textContent?.trim() ?? "",
      download: element.getAttribute("download"),
      outline: outlineStyle === "none" ? 0 : Number.parseFloat(outlineWidth),
      inView: bottom > 0 && top < innerHeight && width > 1,
    };
  },

  openAll() {
    for (const details of all("details")) details.open = true;
  },

  width: () => document.documentElement.scrollWidth,

  paper: () => getComputedStyle(document.body).backgroundColor,

  /** Texts of what is clicked, where it is lower than so many pixels. */
  targetsBelow: (height) =>
    all("main a, main summary, button")
      .filter((element) => element.getBoundingClientRect().height < height)
      .map((element) => element.textContent),

  /** How many elements move. */
  moving: () =>
    all("*").filter((element) => {
      const { transitionDuration, animationName } = getComputedStyle(element);
      return transitionDuration !== "0s" || animationName !== "none";
    }).length,

  /** What a screen reader's user would miss. */
  faults() {
    const found = [];
    if (document.documentElement.lang !== "en") found.push("no language");
    const levels = all("h1, h2, h3, h4").map(({ tagName }) => Number(tagName[1]));
    if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) found.push("h1");
    if (levels.some((level, index) => level > (levels[index - 1] ?? 0) + 1)) found.push("skip");
    for (const table of all("table")) {
      if (!table.querySelector("caption")?.textContent?.trim()) found.push("no caption");
      if (table.querySelectorAll("thead th[scope=col]").length !== 4) found.push("no columns");
      for (const row of table.querySelectorAll("tbody tr")) {
        if (row.querySelector("th[scope=row] time[datetime]") === null) found.push("no row head");
      }
    }
    const targets = new Map();
    for (const link of all("a")) {
      const text = link.textContent?.trim() ?? "";
      const href = link.getAttribute("href");
      if (text === "") found.push(`no name for ${href}`);
      if ((targets.get(text) ?? href) !== href) found.push(`two links are named ${text}`);
      targets.set(text, href);
    }
    const ids = all("[id]").map(({ id }) => id);
    if (new Set(ids).size !== ids.length) found.push("two elements of one id");
    for (const element of all("[aria-labelledby]")) {
      if (!ids.includes(element.getAttribute("aria-labelledby"))) found.push("label of none");
    }
    for (const svg of all("svg")) if (svg.ariaHidden !== "true") found.push("unnamed picture");
    return found;
  },

  /** Texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3), and outlines below 3 (1.4.11). */
  lowContrasts() {
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let texts = 0;
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const text = node.textContent?.trim() ?? "";
      if (text === "") continue;
      texts += 1;
      const element = node.parentElement;
      const ratio = contrast(getComputedStyle(element).color, backgroundOf(element));
      if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
    }
    if (texts < 3) low.push("nothing to read");
    const link = document.querySelector("main a");
    if (link !== null) {
      link.focus();
      const ratio = contrast(getComputedStyle(link).outlineColor, backgroundOf(link));
      if (ratio < 3) low.push(`${ratio.toFixed(2)} outline`);
    }
    return low;
  },
};

function parseColor(color) {
  const [r = 0, g = 0, b = 0, alpha = 1] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return { r, g, b, alpha };
}

/** WCAG 2.2, "relative luminance". */
function luminance(color) {
  const linear = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const { r, g, b } = parseColor(color);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function backgroundOf(element) {
  if (element === null) return "rgb(255, 255, 255)";
  const { backgroundColor } = getComputedStyle(element);
  return parseColor(backgroundColor).alpha === 1
    ? backgroundColor
    : backgroundOf(element.parentElement);
}
