// The page: reads the data when they come, filters, and draws what the filters leave.
"use strict";
(() => {
  const {el, $, rowsOf, options, several, when, load, pictures, table, flips} = domainlm;
  const MOST_PICKS = 4;
  const ALL = "all runs";
  const state = {run: ALL, domain: "", general: "", search: "", picks: []};
  let models = [], levels = [], exchanges = new Map(), colours = new Map(), byRecord = new Map();

  const key = (d) => `${d.record}/${d.model}`;
  const pairKey = (d, domain, general) => `${d.record}/${d.model}\n${domain}\n${general}`;
  const colour = (model) => colours.get(model.model) ?? "var(--m6)";
  const picked = (model) => state.picks.includes(model.id);
  const toggle = (model) => {
    state.picks = picked(model) ? state.picks.filter((id) => id !== model.id) : [...state.picks, model.id].slice(-MOST_PICKS);
    draw();
  };

  const start = (data) => {
    models = rowsOf(data.models).map((d) => ({...d, id: key(d)}));
    levels = rowsOf(data.levels);
    const pairs = rowsOf(data.exchanges);
    exchanges = new Map(pairs.map((d) => [pairKey(d, d.domain, d.general), d]));
    byRecord = d3.group(models, (d) => d.record);
    const adapted = d3.rollups(models.filter((d) => d.base), (v) => v.length, (d) => d.model);
    colours = new Map([...new Set(models.filter((d) => !d.base).map((d) => d.model))].map((name) => [name, "var(--m0)"]));
    d3.sort(adapted, (d) => -d[1]).forEach(([name], i) => colours.set(name, `var(--m${1 + (i % 6)})`));
    $("empty").hidden = models.length > 0;
    for (const element of [$("filters"), document.querySelector("main")]) element.hidden = !models.length;
    const last = models.at(-1);
    $("facts").textContent = last ? [several(byRecord.size, "run"), several(models.length, "model"), `the last ${when(last.recorded_at)}`].join(" · ") : "The store is empty.";
    if (!last) return;
    readHash();
    const most = (name) => d3.greatest(d3.rollups(pairs, (v) => v.length, (d) => d[name]), (d) => d[1])?.[0] ?? "";
    const values = (name) => d3.sort(parts.unique(pairs.map((d) => d[name])));
    if (!values("domain").includes(state.domain)) state.domain = most("domain");
    if (!values("general").includes(state.general)) state.general = most("general");
    const runs = d3.sort(parts.unique(models.map((d) => d.run)));
    if (!runs.includes(state.run)) state.run = ALL;
    options($("run"), [ALL, ...runs], state.run);
    options($("domain"), values("domain"), state.domain);
    options($("general"), values("general"), state.general);
    $("search").value = state.search;
    state.picks = state.picks.filter((id) => models.some((model) => model.id === id));
    if (!state.picks.length) pickLatest();
    listen();
    draw();
  };

  const withExchange = (d) => ({...d, exchange: exchanges.get(pairKey(d, state.domain, state.general))});

  const chosen = () => {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    return models
      .filter((d) => (state.run === ALL || d.run === state.run) && words.every((word) => `${d.model} ${d.run} ${d.mix}`.toLowerCase().includes(word)))
      .map(withExchange);
  };

  // The models of the latest record that is shown: its base, and those adapted from it.
  const pickLatest = () => {
    const last = chosen().findLast((d) => d.base);
    state.picks = last ? byRecord.get(last.record).slice(0, MOST_PICKS).map((d) => d.id) : [];
  };

  const draw = () => {
    writeHash();
    const shown = chosen();
    const adapted = shown.filter((d) => d.base);
    const chosenModels = state.picks.map((id) => models.find((d) => d.id === id)).filter(Boolean).map(withExchange);
    const page = {...state, picked, toggle, colour};
    pictures.scatter(adapted, page);
    $("claim").textContent = claim(adapted);
    const cards = pictures.cards(chosenModels, page);
    $("picks").replaceChildren(...(cards.length ? cards : [el("p", {class: "quiet"}, "Pick a model: a point of the picture, or a box in the table below.")]));
    drawTrend(adapted, page);
    $("models-claim").textContent = adapted.length ? `${several(adapted.length, "adapted model")}. A box picks a model, ${MOST_PICKS} at most, for what follows.` : "No model fits these filters.";
    table.draw(adapted, page);
    $("compare-claim").textContent = chosenModels.length ? "Under each level, the change against the model’s own base on the same documents or items." : "Pick models to see them side by side.";
    const ids = new Set(state.picks);
    pictures.side(chosenModels, chosenModels.length ? levels.filter((d) => ids.has(key(d))) : []);
    flips.draw(chosenModels);
    drawLineage(chosenModels);
  };

  const claim = (adapted) => {
    const measured = adapted.filter((d) => d.exchange);
    if (!measured.length) return "No adapted model was measured on both.";
    const kept = measured.filter(({exchange: e}) => e.gain_significant && e.gain > 0);
    const free = kept.filter(({exchange: e}) => !(e.forgetting_significant && e.forgetting > 0));
    const of = measured.length === 1 ? `${measured[0].model}` : `Of ${several(measured.length, "adapted model")}, ${kept.length === measured.length ? "all" : kept.length}`;
    if (measured.length === 1) return kept.length ? `${of} won significantly on ${state.domain}${free.length ? `, and no loss on ${state.general} can be seen.` : `, and lost on ${state.general}.`}` : `${of} won nothing significant on ${state.domain}.`;
    return `${of} won significantly on ${state.domain}; ${free.length === kept.length ? "none of them" : kept.length - free.length === 1 ? "1 of them" : `${kept.length - free.length} of them`} lost on ${state.general} for it.`;
  };

  const drawTrend = (adapted, page) => {
    const measured = adapted.filter((d) => d.exchange);
    const counts = d3.rollups(measured, (v) => new Set(v.map((d) => d.record)).size, (d) => d.run);
    const [run, times] = d3.greatest(counts, (d) => d[1]) ?? ["", 0];
    $("trend").hidden = times < 2;
    if (times < 2) return;
    $("trend-claim").textContent = `${run}, recorded ${several(times, "time")}${counts.length > 1 && state.run === ALL ? "; another run is chosen above" : ""}.`;
    pictures.trend(measured.filter((d) => d.run === run), page);
  };

  let lineageOf = "", token = 0;
  const drawLineage = async (picks) => {
    const mine = ++token;
    const body = $("lineage-body");
    if (!picks.length) return body.replaceChildren(el("p", {class: "claim"}, "Pick a model to see what it was made from."));
    if (!picks.some((d) => d.id === lineageOf)) lineageOf = (picks.find((d) => d.base) ?? picks[0]).id;
    const model = picks.find((d) => d.id === lineageOf);
    const details = await load(`records/${model.record}.js`);
    if (mine !== token) return;
    const buttons = picks.map((d) => el("button", {type: "button", "aria-pressed": String(d.id === lineageOf), on: {click: () => { lineageOf = d.id; drawLineage(picks); }}}, d.model));
    const choices = el("div", {class: "choices"}, el("div", {class: "group", role: "group", "aria-label": "Model"}, buttons));
    body.replaceChildren(choices, ...(details ? pictures.lineage(model, details) : [el("p", {class: "claim"}, "Its record could not be read.")]));
  };

  // Choices live in the address, so that a view can be kept and sent.
  const readHash = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of ["run", "domain", "general", "search"]) if (given.has(name)) state[name] = given.get(name);
    if (given.has("pick")) state.picks = given.getAll("pick").slice(0, MOST_PICKS);
  };
  const writeHash = () => {
    const kept = new URLSearchParams(Object.entries(state).filter(([name, value]) => name !== "picks" && value && value !== ALL));
    state.picks.forEach((id) => kept.append("pick", id));
    history.replaceState(null, "", `#${kept}`);
  };
  const listen = () => {
    for (const name of ["run", "domain", "general"]) $(name).addEventListener("change", (event) => { state[name] = event.target.value; if (name === "run") pickLatest(); draw(); });
    let pause = 0;
    $("search").addEventListener("input", (event) => { clearTimeout(pause); pause = setTimeout(() => { state.search = event.target.value; draw(); }, 120); });
    $("reset").addEventListener("click", () => { Object.assign(state, {run: ALL, search: ""}); $("run").value = ALL; $("search").value = ""; pickLatest(); draw(); });
    document.querySelector("#filters form").addEventListener("submit", (event) => event.preventDefault());
  };

  load("data.js").then((data) => (data ? start(data) : ($("facts").textContent = "The data could not be loaded: data.js is not beside this page.")));
})();
