// The table of models: sorted by any column, a page at a time, each row picked by its box.
"use strict";
domainlm.table = (() => {
  const {el, $, when, several} = domainlm;
  const {signed, fixed} = parts;
  const columns = [
    {name: "", key: null},
    {name: "model", key: (d) => d.model, text: true},
    {name: "run", key: (d) => d.run, text: true},
    {name: "recorded", key: (d) => d.recorded_at},
    {name: "won", key: (d) => d.exchange?.gain},
    {name: "lost", key: (d) => d.exchange?.forgetting},
    {name: "won per lost", key: (d) => rate(d.exchange)},
    {name: "gate", key: (d) => d.gate, text: true},
  ];
  const rate = (e) => (e && e.forgetting_significant && e.forgetting > 0 ? e.rate : undefined);
  const rateText = (e) => {
    if (!e) return "–";
    if (!e.gain_significant || e.gain < 0) return "no gain";
    return rate(e) === undefined ? "nothing lost" : fixed(e.rate, 1);
  };
  const state = {column: 3, ascending: false, shown: 25};

  const amount = (value, low, high, significant, better) => el("td", {class: significant ? (better ? "better" : "worse") : "unclear"},
    `${signed(value)}${significant ? "" : " n.s."}`, el("span", {class: "fine"}, `${signed(low)} to ${signed(high)}`));
  const gateText = (model) => (model.gate ? el("span", {class: `badge ${model.gate === "passed" ? "better" : "worse"}`}, model.gate === "passed" ? "✓ passed" : "✗ not passed") : "–");

  const row = (model, {picked, toggle, colour}) => {
    const e = model.exchange;
    const box = el("input", {type: "checkbox", "aria-label": `pick ${model.model} of ${model.run}, ${when(model.recorded_at)}`, "data-id": model.id, on: {change: () => toggle(model)}});
    box.checked = picked(model);
    const name = el("th", {scope: "row", class: "text"}, el("i", {class: "dot", style: {"--colour": colour(model)}}), model.model);
    const measured = e
      ? [amount(e.gain, e.gain_low, e.gain_high, e.gain_significant, e.gain > 0), amount(e.forgetting, e.forgetting_low, e.forgetting_high, e.forgetting_significant, e.forgetting < 0), el("td", {}, rateText(e))]
      : d3.range(3).map(() => el("td", {class: "quiet"}, "–"));
    return el("tr", {class: picked(model) ? "picked" : null}, el("td", {}, box), name, el("td", {class: "text"}, model.run), el("td", {}, when(model.recorded_at)), ...measured, el("td", {class: "text"}, gateText(model)));
  };

  const draw = (models, page) => {
    const {key} = columns[state.column];
    const order = state.ascending ? d3.ascending : d3.descending;
    const sorted = d3.sort(models, (a, b) => order(key(a), key(b)) || d3.ascending(a.place, b.place));
    const head = el("tr", {}, columns.map((column, i) => {
      const sort = i === state.column ? (state.ascending ? "ascending" : "descending") : null;
      const press = () => {
        state.ascending = i === state.column ? !state.ascending : Boolean(column.text);
        state.column = i;
        draw(models, page);
        $("table").querySelectorAll("th")[i].querySelector("button").focus();
      };
      return el("th", {scope: "col", class: column.text ? "text" : null, "aria-sort": sort}, column.key ? el("button", {type: "button", on: {click: press}}, column.name) : column.name || el("span", {class: "skip"}, "picked"));
    }));
    const focused = document.activeElement?.dataset?.id;
    $("table").replaceChildren(el("thead", {}, head), el("tbody", {}, sorted.slice(0, state.shown).map((model) => row(model, page))));
    if (focused) $("table").querySelector(`input[data-id="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
    const left = sorted.length - state.shown;
    $("more").hidden = left <= 0;
    $("more").textContent = `Show ${Math.min(100, left)} more of ${several(left, "model")}`;
    $("more").onclick = () => { state.shown += 100; draw(models, page); };
  };

  return {draw, rateText, gateText};
})();
