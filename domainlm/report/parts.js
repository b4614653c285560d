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

  // The stages in layers, source at the top, what it is for at the bottom; a focused or hovered stage lights its arrows.
  const graph = ({nodes, layers, routes}, width, title) => {
    const nodeHeight = 40, rowHeight = 74, bend = 14;
    const height = layers.length * rowHeight - rowHeight + nodeHeight + 4;
    const svg = d3.create("svg").attr("role", "img").attr("aria-label", title).attr("width", width).attr("height", height).attr("viewBox", [0, 0, width, height]);
    svg.append("desc").text(routes.map((route) => `${route[0]} to ${route.at(-1)}`).join("; "));
    const place = {};
    layers.forEach((layer, row) => {
      const boxes = layer.filter((id) => nodes[id]).length;
      const gap = width < 420 ? 6 : 14;
      const free = width - 2 - gap * (layer.length - 1) - bend * (layer.length - boxes);
      const each = Math.min(172, free / boxes);
      let left = (width - each * boxes - bend * (layer.length - boxes) - gap * (layer.length - 1)) / 2;
      for (const id of layer) {
        const own = nodes[id] ? each : bend;
        place[id] = {middle: left + own / 2, left, top: row * rowHeight + 1, width: own};
        left += own + gap;
      }
    });
    const path = (route) => route.slice(1).map((id, i) => {
      const from = place[route[i]], to = place[id], y = from.top + nodeHeight, half = (y + to.top) / 2;
      const through = nodes[id] ? "" : `V${to.top + nodeHeight}`;
      return `${i ? "" : `M${from.middle},${y}`}C${from.middle},${half} ${to.middle},${half} ${to.middle},${to.top}${through}`;
    }).join("");
    const arrows = svg.append("g").selectAll("path").data(routes).join("path").attr("class", "link").attr("d", path);
    const light = (id) => {
      svg.classed("dimmed", id !== null);
      arrows.classed("lit", (route) => route[0] === id || route.at(-1) === id);
    };
    const boxes = svg.append("g").selectAll("g").data(Object.keys(nodes)).join("g")
      .attr("class", (id) => `node ${nodes[id].stage}`).attr("transform", (id) => `translate(${place[id].left},${place[id].top})`)
      .on("pointerenter", (_, id) => light(id)).on("pointerleave", () => light(null));
    boxes.append("title").text((id) => `${nodes[id].stage} ${nodes[id].name}${nodes[id].key ? `\nkey ${nodes[id].key}` : ""}`);
    boxes.append("rect").attr("width", (id) => place[id].width).attr("height", nodeHeight).attr("rx", 7);
    const fit = (text, id, size) => short(text, Math.max(3, Math.floor((place[id].width - 8) / size)));
    const middle = (id) => place[id].width / 2;
    boxes.append("text").attr("class", "stage").attr("x", middle).attr("y", 15).attr("text-anchor", "middle").text((id) => fit(nodes[id].stage, id, 5.8));
    boxes.append("text").attr("x", middle).attr("y", 31).attr("text-anchor", "middle").text((id) => fit(nodes[id].name, id, 6.9));
    return svg.node();
  };

  // What was won in the domain against what was lost in general, with the intervals of both: up is better, right is worse.
  // `points`: {label, x, x1, x2, y, y1, y2, colour, lines}. Where there are many, only those in `strong` have whiskers and names.
  const plane = (title, width, points, {domain, general, tolerance = null, height, strong = () => points.length <= 12, named = strong}) => {
    const many = points.length > 60;
    const shown = points.filter(strong);
    const text = (d) => [d.label, `${domain}: ${signed(d.y)} won (${signed(d.y1)} to ${signed(d.y2)})`, `${general}: ${signed(d.x)} lost (${signed(d.x1)} to ${signed(d.x2)})`, ...(d.lines ?? [])].join("\n");
    const most = d3.greatest(points, (d) => d.x)?.x ?? 0;
    return plot(title, width, {
      ariaDescription: shown.slice(0, 12).map((d) => `${d.label}: ${signed(d.y)} won on ${domain}, ${signed(d.x)} lost on ${general}`).join("; "),
      height: height ?? Math.max(300, Math.min(480, 0.72 * width)),
      marginLeft: 54, marginRight: 20, marginBottom: 48, marginTop: 30, inset: 18,
      x: {label: `bits per byte lost on ${general} →`, labelAnchor: "right", labelOffset: 38, labelArrow: "none", nice: true, ticks: width < 480 ? 4 : 7, tickFormat: (x) => signed(x, 2), domain: d3.extent([0, tolerance ?? 0, ...points.flatMap((d) => [d.x, ...(strong(d) ? [d.x1, d.x2] : [])])].filter(known))},
      y: {label: `↑ bits per byte won on ${domain}`, labelAnchor: "top", labelArrow: "none", nice: true, ticks: 6, tickFormat: (y) => signed(y, 2), domain: d3.extent([0, ...points.flatMap((d) => [d.y, ...(strong(d) ? [d.y1, d.y2] : [])])].filter(known))},
      marks: [
        gridX(), gridY(),
        Plot.ruleX([0], {stroke: "var(--ink)", strokeOpacity: 0.7}), Plot.ruleY([0], {stroke: "var(--ink)", strokeOpacity: 0.7}),
        ...(known(tolerance) ? [Plot.ruleX([tolerance], {stroke: "var(--worse)", strokeDasharray: "4 4"}), Plot.text(["tolerated"], {x: tolerance, frameAnchor: "bottom", dx: 5, dy: -6, textAnchor: "start", fill: "var(--worse)", fontSize: 11})] : []),
        Plot.dot(points.filter((d) => !strong(d)), {x: "x", y: "y", r: many ? 3 : 4.5, fill: "colour", fillOpacity: many ? 0.4 : 0.85}),
        Plot.ruleY(shown, {y: "y", x1: "x1", x2: "x2", stroke: "colour", strokeWidth: 2.5, strokeOpacity: 0.55}),
        Plot.ruleX(shown, {x: "x", y1: "y1", y2: "y2", stroke: "colour", strokeWidth: 2.5, strokeOpacity: 0.55}),
        Plot.dot(shown, {x: "x", y: "y", r: 6, fill: "colour", stroke: "var(--card)", strokeWidth: 1.5}),
        ...shown.filter(named).map((d) => Plot.text([d], {x: "x", y: "y", text: "label", dx: d.x > 0.6 * most && most > 0 ? -10 : 10, dy: -12, textAnchor: d.x > 0.6 * most && most > 0 ? "end" : "start", fontWeight: 600, fontSize: 12.5, ...halo, fill: d.colour})),
        Plot.tip(points, Plot.pointer({x: "x", y: "y", ...tipStyle, title: text, maxRadius: 30})),
      ],
    });
  };

  return {known, fixed, signed, percent, tokens, unique, letters, short, labelMargin, plot, legend, column, gridX, gridY, rowAxis, tipStyle, tipped, halo, graph, plane};
})();
