// Draws each <div class="chart" data-chart="NAME"> from the data of that name, at the width that it has.
// Texts from the data reach the page as text nodes only: no markup is ever made from them.
"use strict";
(() => {
  const {known, fixed, signed, percent, tokens, unique, letters, short} = parts;
  const {labelMargin, plot, legend, column, gridX, gridY, rowAxis, tipStyle, tipped, halo, graph, plane} = parts;
  const data = JSON.parse(document.getElementById("data").textContent);
  const modelColour = (model) => `var(--m${(data.models[model] ?? 0) % 7})`;
  const domainColour = (domain) => `var(--d${(data.domains[domain] ?? 6) % 7})`;
  const partColour = (part, parts) => {
    const fixed = {"kept, train": "var(--p-train)", "kept, held out": "var(--p-heldout)", quarantined: "var(--p-quarantined)"};
    return fixed[part] ?? `var(--p${(parts.indexOf(part) - 2) % 7})`;
  };

  // Facets one under the other, each headed by its name at the left, with a line for each of `lines`.
  const facets = (names, numLines, lineHeight = 28) => {
    const head = 30;
    const step = numLines * lineHeight + head;
    return {
      scale: {axis: null, domain: names, paddingInner: head / step, paddingOuter: 0},
      height: names.length * step + 48,
      marginTop: head,
      heads: (marginLeft) =>
        Plot.text(names, {fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dx: 6 - marginLeft, dy: -19, fontWeight: 600}),
    };
  };

  // Dots with whiskers: one line per model, one facet per domain or task.
  const forest = (title, width, rows, {value, facet, xLabel, tickFormat, marks = [], text, tip, hollow = () => false, x = {}}) => {
    const names = unique(rows.map((d) => d[facet]));
    const models = unique(rows.map((d) => d.model));
    const marginLeft = labelMargin(models, width);
    const {scale, height, marginTop, heads} = facets(names, models.length);
    const place = {fy: facet, y: "model"};
    const colour = (d) => modelColour(d.model);
    return plot(title, width, {
      ariaDescription: rows.map((d) => `${d[facet]}, ${d.model}: ${text(d)}`).join("; "),
      height, marginTop, marginLeft, marginRight: 62, marginBottom: 46,
      fy: scale,
      y: {domain: models},
      x: {label: xLabel, labelAnchor: "center", labelOffset: 38, labelArrow: "none", tickFormat, nice: true, ticks: width < 600 ? 4 : 7, ...x},
      marks: [
        gridX(), rowAxis(width), heads(marginLeft), ...marks,
        Plot.ruleY(rows.filter((d) => known(d.low) && known(d.high)), {...place, x1: "low", x2: "high", stroke: colour, strokeWidth: 3, strokeOpacity: 0.55}),
        Plot.dot(rows, {...place, x: value, r: 5, stroke: colour, strokeWidth: 2, fill: (d) => (hollow(d) ? "var(--card)" : colour(d)), title: tip, ...tipped}),
        Plot.text(rows, {...place, x: (d) => d3.max([d.high, d[value]]), text, dx: 9, textAnchor: "start", fontSize: 12, ...halo}),
      ],
    });
  };

  // Pictures, by kind ----------------------------------------------------------------------------------------------
  const draw = {
    change(chart, width, title) {
      const rows = chart.rows.map((d) => ({...d, model: d.adapted}));
      const words = {better: "better", worse: "worse", unclear: "not significant"};
      return forest(title, width, rows, {
        value: "difference", facet: "suite", xLabel: "← better · change in bits per byte · worse →", tickFormat: (x) => signed(x, 2),
        x: {domain: d3.extent([0, ...rows.flatMap((d) => [d.low, d.high, d.difference])].filter(known))},
        marks: [Plot.ruleX([0], {stroke: "var(--ink)"})],
        text: (d) => signed(d.difference),
        hollow: (d) => d.outcome === "unclear",
        tip: (d) => `${d.adapted} against ${d.base}, ${d.suite}\n${signed(d.difference)} bits per byte\n95% ${signed(d.low)} to ${signed(d.high)}\n${words[d.outcome]}`,
      });
    },

    levels(chart, width, title) {
      return forest(title, width, chart.rows, {
        value: "value", facet: "suite", xLabel: "bits per byte · fewer is better", tickFormat: (x) => fixed(x, 1),
        text: (d) => fixed(d.value),
        tip: (d) => `${d.model}, ${d.suite}\n${fixed(d.value)} bits per byte\n95% ${fixed(d.low)} to ${fixed(d.high)}\n${d.num_items} documents`,
      });
    },

    benchmarks(chart, width, title) {
      const guesses = unique(chart.rows.map((d) => d.task))
        .map((task) => chart.rows.find((d) => d.task === task))
        .filter((d) => known(d.chance));
      return forest(title, width, chart.rows, {
        value: "value", facet: "task", xLabel: "share of items answered correctly", tickFormat: (x) => percent(x, 0),
        marks: [Plot.ruleX(guesses, {fy: "task", x: "chance", stroke: "var(--ink)", strokeDasharray: "3 3"})],
        text: (d) => percent(d.value),
        tip: (d) => `${d.model}, ${d.task}\n${percent(d.value)} of ${d.num_items} items\n95% ${percent(d.low)} to ${percent(d.high)}`,
      });
    },

    tradeoff({points, domain, general}, width, title) {
      const drawn = points.map((d) => ({...d, label: d.model, colour: modelColour(d.model), lines: [`against ${d.base}`, d.rate]}));
      return plane(title, width, drawn, {domain, general, height: Math.max(300, Math.min(620, width < 420 ? width : 1.32 * width))});
    },

    corpus({rows, parts}, width, title) {
      const sources = unique(rows.map((d) => d.source));
      const used = parts.filter((part) => rows.some((d) => d.part === part));
      const read = d3.rollup(rows, (v) => d3.sum(v, (d) => d.docs), (d) => d.source);
      const bars = plot(title, width, {
        ariaDescription: rows.map((d) => `${d.source}: ${d.part} ${percent(d.share)}`).join("; "),
        height: sources.length * 34 + 48, marginLeft: labelMargin(sources, width), marginRight: 58, marginBottom: 46, marginTop: 6,
        x: {label: "share of the documents read", labelAnchor: "center", labelOffset: 38, labelArrow: "none", tickFormat: (x) => percent(x, 0), domain: [0, 1], ticks: width < 420 ? 3 : 6},
        y: {domain: sources, padding: 0.22},
        marks: [
          gridX(), rowAxis(width),
          Plot.barX(rows, {
            y: "source", x: "share", order: used, z: "part", fill: (d) => partColour(d.part, parts), stroke: "var(--card)", strokeWidth: 0.8,
            title: (d) => `${d.source}\n${d.part}: ${d3.format(",")(d.docs)} documents, ${percent(d.share)}`, ...tipped,
          }),
          Plot.text(sources, {y: (d) => d, x: () => 1, text: (d) => d3.format(",")(read.get(d)), dx: 7, textAnchor: "start", fontSize: 12}),
        ],
      });
      return column(legend(used.map((part) => [part, partColour(part, parts)])), bars);
    },

    lengths({rows}, width, title) {
      const sources = unique(rows.map((d) => d.source));
      const most = d3.rollup(rows, (v) => d3.max(v, (d) => d.read) || 1, (d) => d.source);
      const scaled = rows.map((d) => ({...d, to: 2 * d.from, high: d.read / most.get(d.source), low: d.kept / most.get(d.source)}));
      const bytes = (n) => (n < 2 ** 10 ? `${n} B` : n < 2 ** 20 ? `${n / 2 ** 10} KiB` : `${n / 2 ** 20} MiB`);
      const step = 64, head = 22;
      const bars = plot(title, width, {
        ariaDescription: rows.filter((d) => d.read).map((d) => `${d.source}, from ${bytes(d.from)}: ${d.read} read, ${d.kept} kept`).join("; "),
        height: sources.length * step + 48, marginLeft: 14, marginRight: 14, marginTop: head, marginBottom: 46,
        fy: {axis: null, domain: sources, paddingInner: head / step, paddingOuter: 0},
        x: {type: "log", base: 2, label: "bytes of a document", labelAnchor: "center", labelOffset: 38, labelArrow: "none", tickFormat: bytes, ticks: width < 420 ? 4 : 8},
        y: {axis: null, domain: [0, 1]},
        marks: [
          Plot.ruleY(sources.map((source) => ({source})), {fy: "source", y: 0, stroke: "var(--faint)"}),
          Plot.rectY(scaled, {fy: "source", x1: "from", x2: "to", y: "low", fill: "var(--p-train)", inset: 1}),
          Plot.rectY(scaled.filter((d) => d.read), {
            fy: "source", x1: "from", x2: "to", y: "high", fill: "none", stroke: "var(--soft)", inset: 0.5, pointerEvents: "all",
            title: (d) => `${d.source}\n${bytes(d.from)} to ${bytes(d.to)}\n${d3.format(",")(d.read)} read, ${d3.format(",")(d.kept)} kept`, ...tipped,
          }),
          Plot.text(sources, {fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dy: -16, dx: 2, fontWeight: 600}),
        ],
      });
      return column(legend([["kept", "var(--p-train)"]]), bars);
    },

    mix({rows}, width, title) {
      const models = unique(rows.map((d) => d.model));
      const domains = unique(rows.map((d) => d.domain));
      const ordered = models.flatMap((model) => {
        let asked = 0, realised = 0;
        return domains.map((domain) => rows.find((d) => d.model === model && d.domain === domain)).filter(Boolean)
          .map((d) => ({...d, left: realised, right: (realised += d.realised), tick: (asked += d.asked)}));
      });
      const bars = plot(title, width, {
        ariaDescription: rows.map((d) => `${d.model}: ${d.domain} asked ${percent(d.asked)}, realised ${percent(d.realised)}`).join("; "),
        height: models.length * 46 + 48, marginLeft: labelMargin(models, width), marginRight: 24, marginBottom: 46, marginTop: 6,
        x: {label: "share of the training tokens", labelAnchor: "center", labelOffset: 38, labelArrow: "none", tickFormat: (x) => percent(x, 0), domain: [0, 1], ticks: 5},
        y: {domain: models, padding: 0.32},
        marks: [
          gridX(), rowAxis(width),
          Plot.barX(ordered, {
            y: "model", x1: "left", x2: "right", fill: (d) => domainColour(d.domain), stroke: "var(--card)",
            title: (d) => `${d.model}, ${d.domain}\nasked ${percent(d.asked, 2)}\nrealised ${percent(d.realised, 2)}`, ...tipped,
          }),
          Plot.text(ordered.filter((d) => d.realised > 0.13), {y: "model", x: (d) => (d.left + d.right) / 2, text: (d) => percent(d.realised, 1), fill: "#14181b", fontSize: 12}),
          Plot.tickX(ordered.filter((d) => d.tick < 0.9999), {y: "model", x: "tick", stroke: "var(--ink)", strokeWidth: 2.5, insetTop: -6, insetBottom: -6}),
        ],
      });
      return column(legend(domains.map((domain) => [domain, domainColour(domain)])), bars);
    },

    epochs({rows}, width, title) {
      // One line per source of each model, under a line with the model's name.
      const lines = d3.groups(rows, (d) => d.model).flatMap(([model, own]) => [{model, id: model}, ...own.map((d) => ({...d, id: `${model}\n${d.source}`}))]);
      const read = lines.filter((d) => d.source);
      const marginLeft = labelMargin(unique(rows.map((d) => d.source)), width);
      return plot(title, width, {
        ariaDescription: rows.map((d) => `${d.model}, ${d.source}: ${fixed(d.epochs, 2)}`).join("; "),
        height: lines.length * 22 + 56, marginTop: 4, marginLeft, marginRight: 48, marginBottom: 46,
        y: {axis: null, domain: lines.map((d) => d.id)},
        x: {label: "epochs", labelAnchor: "center", labelOffset: 38, labelArrow: "none", domain: [0, Math.max(1.05, d3.max(rows, (d) => d.epochs) ?? 1)], ticks: 5},
        marks: [
          gridX(),
          Plot.text(lines.filter((d) => !d.source), {y: "id", text: "model", frameAnchor: "left", dx: 6 - marginLeft, fontWeight: 600}),
          Plot.text(read, {y: "id", text: (d) => short(d.source, letters(width)), frameAnchor: "left", dx: -8, textAnchor: "end"}),
          Plot.ruleX([1], {stroke: "var(--ink)", strokeDasharray: "3 3"}),
          Plot.ruleY(read, {y: "id", x1: 0, x2: "epochs", stroke: (d) => domainColour(d.domain), strokeWidth: 3}),
          Plot.dot(read, {y: "id", x: "epochs", r: 4.5, fill: (d) => domainColour(d.domain), title: (d) => `${d.model}, ${d.source}\n${fixed(d.epochs, 2)} epochs, ${d3.format(",")(d.rows)} rows`, ...tipped}),
          Plot.text(read, {y: "id", x: "epochs", text: (d) => fixed(d.epochs, 2), dx: 9, textAnchor: "start", ...halo}),
        ],
      });
    },

    tokenizer({rows}, width, title) {
      const metrics = unique(rows.map((d) => d.metric));
      const domains = unique(rows.map((d) => d.domain));
      const numColumns = width > 760 ? 3 : 1;
      const grid = document.createElement("div");
      grid.style.cssText = `display:grid;gap:1rem;grid-template-columns:repeat(${numColumns},minmax(0,1fr))`;
      for (const metric of metrics) {
        const shown = rows.filter((d) => d.metric === metric);
        const text = (d) => (d.share ? percent(d.value) : fixed(d.value, 2));
        const each = (width - (numColumns - 1) * 16) / numColumns;
        grid.append(plot(`${title}: ${metric}`, each, {
          ariaDescription: shown.map((d) => `${d.domain}: ${text(d)}`).join("; "),
          height: domains.length * 30 + 44, marginLeft: labelMargin(domains, each), marginRight: 52, marginBottom: 46, marginTop: 4,
          x: {label: metric, labelAnchor: "center", labelOffset: 38, labelArrow: "none", tickFormat: shown[0]?.share ? (x) => percent(x, 0) : undefined, domain: [0, d3.max(shown, (d) => d.value) || 1], ticks: 4},
          y: {domain: domains, padding: 0.25},
          marks: [
            gridX(), rowAxis(each),
            Plot.barX(shown, {y: "domain", x: "value", fill: (d) => domainColour(d.domain), title: (d) => `${d.domain}\n${metric}: ${text(d)}`, ...tipped}),
            Plot.text(shown, {y: "domain", x: "value", text, dx: 7, textAnchor: "start", fontSize: 12}),
          ],
        }));
      }
      return grid;
    },

    loss: (chart, width, title) => curves(chart.rows, width, title, "loss, nats per token", (y) => fixed(y, 2), true),

    learning: (chart, width, title) => curves(chart.rows, width, title, "learning rate", (y) => (y ? y.toExponential(1) : "0"), false),

    watched({rows}, width, title) {
      const models = unique(rows.map((d) => d.model));
      const domains = unique(rows.map((d) => d.domain));
      const {scale, height, marginTop, heads} = facets(domains, 1, 104);
      const colour = (d) => modelColour(d.model);
      const dashed = {fy: "domain", x: "tokens", z: "model", stroke: colour, strokeDasharray: "3 5", strokeWidth: 1};
      const svg = plot(title, width, {
        ariaDescription: domains.map((n) => `${n}: ${models.map((m) => rows.filter((d) => d.model === m && d.domain === n)).filter((own) => own.length).map((own) => `${own[0].model} from ${fixed(own[0].value)} to ${fixed(own.at(-1).value)}`).join(", ")}`).join("; "),
        height, marginTop, marginLeft: 46, marginRight: 18, marginBottom: 46,
        fy: scale,
        x: {label: "tokens trained →", labelAnchor: "right", labelOffset: 38, labelArrow: "none", tickFormat: tokens, ticks: width < 420 ? 4 : 7},
        y: {label: null, zero: false, nice: true, ticks: 5, tickFormat: (y) => fixed(y, 2)},
        marks: [
          gridX(), gridY(), heads(46),
          Plot.line(rows, {...dashed, y: "base"}),
          Plot.line(rows.filter((d) => known(d.most)), {...dashed, y: "most", strokeWidth: 2}),
          Plot.line(rows, {fy: "domain", x: "tokens", y: "value", z: "model", stroke: colour, strokeWidth: 2.2}),
          Plot.dot(rows, {fy: "domain", x: "tokens", y: "value", r: 3.5, fill: colour, title: (d) => `${d.model}, ${d.domain}\nafter ${tokens(d.tokens)} tokens: ${fixed(d.value)}\n${signed(d.value - d.base, 3)} since it began`, ...tipped}),
        ],
      });
      return column(legend(models.map((model) => [model, modelColour(model)])), svg);
    },

    seen({rows}, width, title) {
      const models = unique(rows.map((d) => d.model));
      const domains = unique(rows.map((d) => d.domain));
      const {scale, height, marginTop, heads} = facets(models, 1, 62);
      const wide = {fy: "model", x: "tokens", z: "domain", stroke: (d) => domainColour(d.domain)};
      const svg = plot(title, width, {
        ariaDescription: models.map((m) => `${m}: ${domains.map((n) => [n, rows.findLast((d) => d.model === m && d.domain === n)]).filter(([, d]) => d).map(([n, d]) => `${n} ${percent(d.value)}`).join(", ")}`).join("; "),
        height, marginTop, marginLeft: 46, marginRight: 18, marginBottom: 46,
        fy: scale,
        x: {label: "tokens trained →", labelAnchor: "right", labelOffset: 38, labelArrow: "none", tickFormat: tokens, ticks: width < 420 ? 4 : 7},
        y: {label: null, domain: [0, 1], ticks: 3, tickFormat: (y) => percent(y, 0)},
        marks: [
          gridX(), gridY(), heads(46),
          Plot.line(rows, {...wide, y: "value", strokeWidth: 3}),
          Plot.line(rows, {...wide, y: "asked", strokeDasharray: "3 5", stroke: "var(--ink)", strokeWidth: 1}),
          Plot.tip(rows, Plot.pointer({fy: "model", x: "tokens", y: "value", ...tipStyle, title: (d) => `${d.model}, ${d.domain}\nafter ${tokens(d.tokens)} tokens: ${percent(d.value, 2)}\nasked ${percent(d.asked, 2)}`})),
        ],
      });
      return column(legend(domains.map((domain) => [domain, domainColour(domain)])), svg);
    },

    lineage: (chart, width, title) => graph(chart, width, title),
  };

  // A curve per model; noisy ones faintly, with their moving mean over them.
  const curves = (rows, width, title, label, tickFormat, noisy) => {
    const models = unique(rows.map((d) => d.model));
    const colour = (d) => modelColour(d.model);
    const channels = {x: "tokens", y: "value", z: "model", stroke: colour};
    const smooth = noisy && rows.length > 60 * models.length;
    const lines = smooth
      ? [Plot.line(rows, {...channels, strokeWidth: 1, strokeOpacity: 0.3}), Plot.line(rows, Plot.windowY({k: 11, anchor: "middle"}, {...channels, strokeWidth: 2.2}))]
      : models.map((model, i) => Plot.line(rows.filter((d) => d.model === model), {...channels, strokeWidth: 2.4, strokeDasharray: i ? `9 ${9 * (models.length - 1)}` : undefined, strokeDashoffset: -9 * i}));
    const svg = plot(title, width, {
      ariaDescription: models.map((m) => {
        const own = rows.filter((d) => d.model === m);
        return `${m}: from ${tickFormat(own[0].value)} to ${tickFormat(own.at(-1).value)}`;
      }).join("; "),
      height: Math.max(220, Math.min(320, 0.6 * width)), marginLeft: 56, marginRight: 18, marginTop: 26, marginBottom: 46,
      x: {label: "tokens trained →", labelAnchor: "right", labelOffset: 38, labelArrow: "none", tickFormat: tokens, ticks: width < 420 ? 4 : 7},
      y: {label: `↑ ${label}`, labelAnchor: "top", labelArrow: "none", nice: true, ticks: 6, tickFormat},
      marks: [
        gridX(), gridY(), ...lines,
        Plot.tip(rows, Plot.pointer({x: "tokens", y: "value", ...tipStyle, title: (d) => `${d.model}\nafter ${tokens(d.tokens)} tokens: ${tickFormat(d.value)}`})),
      ],
    });
    return column(legend(models.map((model) => [model, modelColour(model)])), svg);
  };

  // The page -------------------------------------------------------------------------------------------------------
  for (const element of document.querySelectorAll("[data-model]")) element.style.background = modelColour(element.dataset.model);
  for (const element of document.querySelectorAll("[data-text]")) {
    const [name, index] = element.dataset.text.split(":");
    element.textContent = data.charts[name].texts[Number(index)];
  }
  const widths = new WeakMap();
  const render = (element) => {
    const width = Math.floor(element.clientWidth);
    if (width < 1 || widths.get(element) === width) return;
    widths.set(element, width);
    const chart = data.charts[element.dataset.chart];
    const title = document.getElementById(`${element.id}-title`).textContent;
    element.replaceChildren(draw[chart.kind](chart, width, title));
  };
  const watch = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({target}) => render(target))));
  for (const element of document.querySelectorAll(".chart")) {
    render(element);
    watch.observe(element);
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((element) => { element.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((element) => { element.open = false; }));
})();
