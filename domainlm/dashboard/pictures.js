// Pictures of the dashboard, and what is picked beside them.
"use strict";
domainlm.pictures = (() => {
  const {el, $, when, date, level, change, prose} = domainlm;
  const {signed, fixed, percent, plot, gridX, gridY, tipStyle, plane, graph, legend} = parts;
  const amount = (value) => d3.format(".3~s")(value).replace("G", "B");
  const MOST = 2000;  // points drawn at once, the latest: more are no picture

  // Redraws when the width of its place changes, and not before.
  const places = new Map();
  const watch = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({target}) => paint(target))));
  const paint = (element, force = false) => {
    const width = Math.floor(element.clientWidth);
    const place = places.get(element);
    if (!place || width < 1 || (!force && place.width === width)) return;
    place.width = width;
    element.replaceChildren(place.draw(width));
  };
  const show = (element, draw) => {
    if (!places.has(element)) watch.observe(element);
    places.set(element, {draw, width: 0});
    paint(element, true);
  };

  const scatter = (models, {domain, general, picked, toggle, colour}) => {
    const points = models.filter((d) => d.exchange).slice(-MOST).map((model) => ({
      model, label: model.model, colour: colour(model), lines: [`${model.run}, ${when(model.recorded_at)}`],
      x: model.exchange.forgetting, x1: model.exchange.forgetting_low, x2: model.exchange.forgetting_high,
      y: model.exchange.gain, y1: model.exchange.gain_low, y2: model.exchange.gain_high,
    }));
    const tolerances = new Set(points.map((d) => d.model.tolerance).filter(parts.known));
    show($("plane"), (width) => {
      if (!points.length) return el("p", {class: "quiet"}, "No adapted model was measured on both.");
      const few = points.length <= 8;
      const svg = plane("Won in the domain against lost in general", width, points, {
        domain, general, tolerance: tolerances.size === 1 ? [...tolerances][0] : null, strong: (d) => few || picked(d.model), named: (d) => points.length <= 3 || picked(d.model), height: Math.max(320, Math.min(500, 0.8 * width)),
      });
      svg.addEventListener("click", () => { if (svg.value) toggle(svg.value.model); });
      return svg;
    });
    const names = parts.unique(points.map((d) => d.label));
    const count = d3.rollup(points, (v) => v.length, (d) => d.label);
    const items = d3.sort(names, (name) => -count.get(name)).slice(0, 7).map((name) => [names.length > 1 || points.length > 1 ? `${name}${count.get(name) > 1 ? ` (${count.get(name)})` : ""}` : name, points.find((d) => d.label === name).colour]);
    $("plane-legend").replaceChildren(...legend(items).children);
  };

  // How much was won for each bit lost; where the loss may be nothing, at least how much.
  const rateText = (e) => {
    if (!e.gain_significant || e.gain < 0) return "No significant gain.";
    if (parts.known(e.rate) && parts.known(e.rate_high) && e.forgetting_significant) return `${fixed(e.rate, 1)} won per 1 lost (${fixed(e.rate_low, 1)} to ${fixed(e.rate_high, 1)})`;
    return e.forgetting < 0 && e.forgetting_significant ? "Won on both." : `No significant loss${parts.known(e.rate_low) ? `: at least ${fixed(e.rate_low, 0)} won per 1 lost` : ""}`;
  };

  const cards = (models, {domain, general, toggle, colour}) => models.filter((d) => d.exchange).map((model) => {
    const e = model.exchange;
    const cell = (name, value, significant, better, low, high) => el("div", {}, el("dt", {}, name),
      el("dd", {class: significant ? (better ? "better" : "worse") : "unclear"}, el("span", {class: "big"}, signed(value)), el("span", {class: "fine"}, significant ? `${signed(low)} to ${signed(high)}` : "not significant")));
    return el("article", {class: "pick", style: {"--colour": colour(model)}},
      el("h3", {}, el("span", {}, model.model), el("button", {type: "button", "aria-label": `drop ${model.model}`, on: {click: () => toggle(model)}}, "×")),
      el("p", {class: "from"}, `${model.run} · ${when(model.recorded_at)}`),
      el("dl", {}, cell(`won on ${domain}`, e.gain, e.gain_significant, e.gain > 0, e.gain_low, e.gain_high), cell(`lost on ${general}`, e.forgetting, e.forgetting_significant, e.forgetting < 0, e.forgetting_low, e.forgetting_high)),
      el("p", {class: "rate"}, rateText(e), model.gate ? domainlm.table.gateText(model) : null));
  });

  const trend = (models, {domain, general, colour, toggle}) => {
    const rows = models.filter((d) => d.exchange).map((model) => ({...model.exchange, model, name: model.model, at: new Date(1000 * model.recorded_at)}));
    const draw = (value, title, label, tolerance) => (width) => {
      if (!rows.length) return el("p", {class: "quiet"}, "Nothing to show.");
      const names = parts.unique(rows.map((d) => d.name));
      const stroke = (d) => colour(d.model);
      const dense = rows.length > 80 * names.length;
      const [low, high] = [`${value}_low`, `${value}_high`];
      const svg = plot(title, width, {
        ariaDescription: names.map((name) => { const own = rows.filter((d) => d.name === name); return `${name}: from ${signed(own[0][value])} to ${signed(own.at(-1)[value])}`; }).join("; "),
        height: Math.max(240, Math.min(320, 0.62 * width)), marginLeft: 54, marginRight: 18, marginTop: 26, marginBottom: 40,
        x: {label: null, ticks: width < 420 ? 4 : 6},
        y: {label, labelAnchor: "top", labelArrow: "none", nice: true, ticks: 6, tickFormat: (y) => signed(y, 2), domain: d3.extent([0, tolerance ?? 0, ...rows.flatMap((d) => [d[value], d[low], d[high]])].filter(parts.known))},
        marks: [
          gridX(), gridY(), Plot.ruleY([0], {stroke: "var(--ink)", strokeOpacity: 0.7}),
          ...(parts.known(tolerance) ? [Plot.ruleY([tolerance], {stroke: "var(--worse)", strokeDasharray: "4 4"}), Plot.text(["tolerated"], {y: tolerance, frameAnchor: "right", dy: -7, fill: "var(--worse)", fontSize: 11})] : []),
          Plot.areaY(rows, {x: "at", y1: low, y2: high, z: "name", fill: stroke, fillOpacity: 0.16}),
          Plot.lineY(rows, {x: "at", y: value, z: "name", stroke, strokeWidth: dense ? 1.4 : 2.2}),
          ...(dense ? [] : [Plot.ruleX(rows.length > 20 ? [] : rows, {x: "at", y1: low, y2: high, stroke, strokeOpacity: 0.5, strokeWidth: 2}), Plot.dot(rows, {x: "at", y: value, r: 3.6, fill: stroke})]),
          Plot.tip(rows, Plot.pointer({x: "at", y: value, ...tipStyle, title: (d) => `${d.name}, ${when(d.model.recorded_at)}\n${signed(d[value])} (${signed(d[low])} to ${signed(d[high])})`})),
        ],
      });
      svg.addEventListener("click", () => { if (svg.value) toggle(svg.value.model); });
      return svg;
    };
    const tolerance = rows.map((d) => d.model.tolerance).findLast(parts.known);
    show($("trend-gain"), draw("gain", "Won in the domain over time", `↑ bits per byte won on ${domain}`));
    show($("trend-lost"), draw("forgetting", "Lost in general over time", `↑ bits per byte lost on ${general}`, tolerance));
  };

  // Measures as rows, picked models as columns.
  const side = (models, levels) => {
    const measures = d3.groups(levels, (d) => `${d.suite}\n${d.task}\n${d.metric}`);
    const isBits = ([, rows]) => rows[0].task === rows[0].metric;
    const ordered = d3.sort(measures, (a) => !isBits(a), (a) => a[0]);
    const head = el("tr", {}, el("th", {scope: "col", class: "text"}, "measure"), models.map((model) => el("th", {scope: "col"}, model.model, el("span", {class: "fine"}, `${model.run}, ${date.format(new Date(1000 * model.recorded_at))}`))));
    const body = ordered.map(([, rows]) => {
      const {suite, task, metric, higher_is_better: up} = rows[0];
      const cells = models.map((model) => {
        const d = rows.find((row) => row.record === model.record && row.model === model.model);
        if (!d) return el("td", {class: "quiet"}, "–");
        const better = (d.difference > 0) === Boolean(up);
        const changed = !parts.known(d.difference) ? null : el("span", {class: `fine ${d.significant ? (better ? "better" : "worse") : "unclear"}`}, `${d.significant ? (better ? "▲" : "▼") : "·"} ${change(d.difference, metric)}${d.significant ? "" : " n.s."}`);
        return el("td", {title: `95% ${level(d.low, metric)} to ${level(d.high, metric)}, ${d.num_items} items`}, level(d.value, metric), changed);
      });
      return el("tr", {}, el("th", {scope: "row", class: "text"}, task === metric ? `${prose(metric)}, ${suite}` : `${prose(metric)}, ${prose(task)}`, el("span", {class: "fine"}, up ? "higher is better" : "lower is better")), cells);
    });
    $("side").replaceChildren(el("thead", {}, head), el("tbody", {}, body));
  };

  // Corpus, mix and stages of one model.
  const lineage = (model, details) => {
    const own = details.models.find((d) => d.model === model.model);
    const sources = Object.entries(own.corpus).map(([source, d]) => ({source, domain: source.split("/")[0], ...d}));
    const domains = parts.unique([...sources.map((d) => d.domain), ...Object.keys(own.realised_ratio)]);
    const tint = (domain) => `var(--d${(domain === "general" || domain.startsWith("general-") ? 0 : 1 + domains.filter((d) => d !== "general" && !d.startsWith("general-")).indexOf(domain)) % 7})`;
    const chart = (title, note, draw) => {
      const place = el("div", {class: "chart"});
      const figure = el("figure", {"aria-label": title}, el("h3", {}, title), place, note ? el("figcaption", {}, note) : null);
      requestAnimationFrame(() => show(place, draw));
      return figure;
    };
    const mix = Object.entries(own.realised_ratio).filter(([, share]) => share > 0).map(([domain, share]) => ({domain, share, asked: own.token_ratio[domain] ?? 0}));
    const ratio = (width) => (mix.length
      ? parts.column(legend(mix.map((d) => [`${d.domain} ${percent(d.share)}`, tint(d.domain)])), plot("Share of the training tokens", width, {
        ariaDescription: mix.map((d) => `${d.domain}: ${percent(d.share)}, asked ${percent(d.asked)}`).join("; "),
        height: 74, marginLeft: 14, marginRight: 20, marginTop: 2, marginBottom: 26, x: {domain: [0, 1], tickFormat: (x) => percent(x, 0), ticks: 5, label: null},
        marks: [Plot.barX(mix, Plot.stackX({x: "share", fill: (d) => tint(d.domain), stroke: "var(--card)", title: (d) => `${d.domain}\n${percent(d.share, 2)}, asked ${percent(d.asked, 2)}`, tip: tipStyle}))],
      }))
      : el("p", {class: "quiet"}, "It was not trained in this run."));
    const corpus = (width) => plot("Documents kept for training", width, {
      ariaDescription: sources.map((d) => `${d.source}: ${d.train} of ${d.read} documents`).join("; "),
      height: sources.length * 26 + 40, marginLeft: parts.labelMargin(sources.map((d) => d.source), width), marginRight: 64, marginTop: 4, marginBottom: 36,
      x: {label: "documents kept for training", labelAnchor: "center", labelOffset: 32, labelArrow: "none", ticks: 4, tickFormat: "~s"}, y: {domain: sources.map((d) => d.source), padding: 0.3},
      marks: [gridX(), parts.rowAxis(width), Plot.barX(sources, {y: "source", x: "train", fill: (d) => tint(d.domain), title: (d) => `${d.source}\n${d3.format(",")(d.train)} kept of ${d3.format(",")(d.read)} read, ${d3.format(",")(d.heldout)} held out`, tip: tipStyle}), Plot.text(sources, {y: "source", x: "train", text: (d) => d3.format(",")(d.train), dx: 6, textAnchor: "start"})],
    });
    const trained = [model.mix && `mix ${model.mix}`, own.start && `from ${own.start}`, model.num_tokens && `${amount(model.num_tokens)} tokens`, model.num_parameters && `${amount(model.num_parameters)} parameters`].filter(Boolean).join(", ");
    const digests = ["model", "data", "tokenizer", "spec", "code"].map((kind) => [kind, own[`${kind}_digest`]]);
    const failed = Object.entries(own.failed);
    return [
      el("p", {class: "claim"}, `${model.model} of ${model.run}: ${trained || "as it is"}.`),
      ...(failed.length ? [el("ul", {class: "failures"}, failed.map(([task, cause]) => el("li", {}, `${task}: ${cause}`)))] : []),
      el("div", {class: "figures"}, chart("What it was trained on", null, ratio), chart("Text of the run", null, corpus)),
      chart("From source to evaluation", "Point at a stage to light its arrows. Keys are the first digits of a sha256 of everything that a stage is made from.", (width) => graph(own.graph, width, "From source to evaluation")),
      el("details", {}, el("summary", {}, "Digests"), el("div", {class: "scroll"}, el("table", {}, el("tbody", {}, digests.map(([kind, digest]) => el("tr", {}, el("th", {scope: "row", class: "text"}, kind), el("td", {class: "text"}, el("code", {}, digest || "–")))))))),
    ];
  };

  return {scatter, cards, trend, side, lineage};
})();
