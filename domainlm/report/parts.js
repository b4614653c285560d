// What the pictures of every page share: numbers as words, labels that fit, a plot in the page's colours.
"use strict";
const parts = (() => {
  // Numbers and labels ---------------------------------------------------------------------------------------------
  const known = (value) => typeof value === "number";
  const fixed = (value, digits = 3) => (known(value) ? value.toFixed(digits).replace("-", "−") : "n/a");
  const signed = (value, digits = 3) => (known(value) && Number(value.toFixed(digits)) > 0 ? "+" : "") + fixed(value, digits);
  const percent = (value, digits = 1) => (known(value) ? `${fixed(100 * value, digits)}%` : "n/a");
  const tokens = (value) => d3.format("~s")(value).replace("G", "B");
  const unique = (values) => [...new Set(values)];
  const letters = (width) => Math.max(8, Math.floor((0.36 * width - 14) / 6.6));
  const short = (text, length) => {
    if (text.length <= length) return text;
    const half = (length - 1) / 2;
    return `${text.slice(0, Math.ceil(half))}…${text.slice(text.length - Math.floor(half))}`;
  };
  const labelMargin = (labels, width) => 14 + 6.6 * Math.min(letters(width), d3.max(labels, (label) => label.length) ?? 0);

  // Pieces ---------------------------------------------------------------------------------------------------------
  const plot = (title, width, options) => {
    const svg = Plot.plot({
      ...options,
      width,
      style: {fontSize: "11.5px", fontFamily: "inherit", background: "transparent", color: "var(--ink)"},
      ariaLabel: title,
      ariaDescription: options.ariaDescription,
    });
    svg.setAttribute("role", "img");
    return svg;
  };
  const legend = (items) => {
    const list = document.createElement("ul");
    list.className = "legend";
    for (const [label, colour] of items) {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.style.background = colour;
      item.append(swatch, label);
      list.append(item);
    }
    return list;
  };
  const column = (...children) => {
    const div = document.createElement("div");
    div.append(...children);
    return div;
  };
  const gridX = () => Plot.gridX({stroke: "var(--line)", strokeOpacity: 1});
  const gridY = () => Plot.gridY({stroke: "var(--line)", strokeOpacity: 1});
  const rowAxis = (width) => Plot.axisY({label: null, tickSize: 0, tickPadding: 8, tickFormat: (label) => short(label, letters(width))});
  const tipStyle = {fill: "var(--card)", stroke: "var(--faint)", fontSize: 12, lineHeight: 1.35};
  const tipped = {tip: tipStyle};
  const halo = {fill: "var(--ink)", stroke: "var(--card)", strokeWidth: 4, paintOrder: "stroke"};

  return {known, fixed, signed, percent, tokens, unique, letters, short, labelMargin, plot, legend, column, gridX, gridY, rowAxis, tipStyle, tipped, halo};
})();
