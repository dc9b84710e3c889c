"""Questions to a page in a browser about what a reader needs: contrast, names, headings, the place of the focus.

Belongs here: functions of JavaScript as texts. Does not: which pages are asked.
"""

CONTRASTS = """() => {
  const colour = text => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const linear = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([red, green, blue]) =>
    0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const found = colour(getComputedStyle(element).backgroundColor);
      if (found[3] > 0) return found;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const has_text = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!has_text || !element.offsetParent) continue;
    const [text, behind] = [colour(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    if (ratio < 4.5) faint.push(`${element.outerHTML.slice(0, 90)} ${ratio.toFixed(2)}`);
  }
  return faint;
}"""
"""Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, AA)."""

UNNAMED = """() =>
  [...document.querySelectorAll("input:not([type=hidden], [hidden]), select, textarea, button, a[href]")]
    .filter(each => !(each.labels && each.labels.length) && !each.textContent.trim() && !each.ariaLabel)
    .map(each => each.outerHTML)"""
"""What can be used and has no name for a screen reader."""

HEADINGS = """() => document.querySelectorAll("h1").length"""
"""How many main headings there are."""

UNHEADED = """() => [...document.querySelectorAll("table")].filter(table =>
  !table.caption
  || [...table.querySelectorAll("thead th")].some(head => head.scope !== "col")
  || [...table.querySelectorAll("tbody tr")].some(row => !row.querySelector("th[scope=row]"))).length"""
"""Tables without a caption, or with a column or row that has no header."""

FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const label = element.labels && element.labels[0] ? element.labels[0] : element;
  return {
    name: label.textContent.trim().replace(/\\s+/g, " "),
    tag: element.tagName,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    inside: box.top < innerHeight && box.bottom > 0 && box.width > 0,
  };
}"""
"""What has the focus, how thick the line around it is, and whether it is on the screen."""
