// The items that two models answer differently: how many, and each with its text and both answers.
"use strict";
domainlm.flips = (() => {
  const {el, $, load, several, prose, when, options} = domainlm;
  const PAGE = 6;
  const chosen = {left: "", right: "", task: "", kind: "all", shown: PAGE};
  const kinds = {all: "all that flipped", won: "only B is right", lost: "only A is right"};
  const nameOf = (model) => `${model.model} · ${model.run}, ${when(model.recorded_at)}`;
  let models = [], token = 0;

  const field = (label, select) => el("label", {}, label, select);

  // Draws for these models, the first against the last unless others were chosen.
  const draw = async (picked) => {
    models = picked;
    const ids = models.map((model) => model.id);
    if (!ids.includes(chosen.left)) chosen.left = ids[0] ?? "";
    if (!ids.includes(chosen.right) || chosen.right === chosen.left) chosen.right = ids.findLast((id) => id !== chosen.left) ?? "";
    await update();
  };

  const update = async () => {
    const mine = ++token;
    const body = $("flips-body");
    const [a, b] = [chosen.left, chosen.right].map((id) => models.find((model) => model.id === id));
    if (!a || !b) return body.replaceChildren(el("p", {class: "claim"}, "Pick two models to see which items the one answers and the other does not."));
    const [left, right] = await Promise.all([a, b].map((model) => load(`records/${model.record}.js`)));
    if (mine !== token) return;
    const named = (details) => (details?.tasks ?? []).map(([task, metric]) => `${task}\n${metric}`);
    const tasks = named(left).filter((name) => named(right).includes(name));
    if (!tasks.includes(chosen.task)) chosen.task = tasks[0] ?? "";
    const choices = controls(tasks);
    if (!tasks.length) return body.replaceChildren(choices, el("p", {class: "claim"}, "No task has items of both: their runs asked none, or asked different ones."));
    const [ours, theirs] = await Promise.all([[a, left], [b, right]].map(([model, details]) => load(`items/${model.record}.${named(details).indexOf(chosen.task)}.js`)));
    if (mine !== token) return;
    body.replaceChildren(choices, ...content(pairs(ours, theirs, a, b), a, b));
  };

  const controls = (tasks) => {
    const select = (label, key, values, text) => {
      const made = el("select", {"aria-label": label, on: {change: (event) => { chosen[key] = event.target.value; chosen.shown = PAGE; update(); }}});
      options(made, values, chosen[key], text);
      return field(label, made);
    };
    const byId = (id) => nameOf(models.find((model) => model.id === id));
    const ids = models.map((model) => model.id);
    const buttons = Object.entries(kinds).map(([kind, text]) => el("button", {type: "button", "aria-pressed": String(chosen.kind === kind), on: {click: () => { chosen.kind = kind; chosen.shown = PAGE; update(); }}}, text));
    return el("div", {class: "choices"}, select("A", "left", ids, byId), select("B", "right", ids, byId), select("Task", "task", tasks, (name) => name.split("\n").map(prose).join(", ")), el("div", {class: "group", role: "group", "aria-label": "Which items"}, buttons));
  };

  const pairs = (ours, theirs, a, b) => Object.keys(ours?.items ?? {}).filter((id) => theirs?.items[id]?.by[b.model] && ours.items[id].by[a.model]).map((id) => {
    const [item, other] = [ours.items[id], theirs.items[id]];
    return {id, question: item.question || other.question, target: item.target || other.target, left: item.by[a.model], right: other.by[b.model]};
  });

  const content = (items, a, b) => {
    const isRight = ([value]) => value > 0.5;
    const groups = {both: [], won: [], lost: [], neither: []};
    for (const item of items) groups[isRight(item.left) ? (isRight(item.right) ? "both" : "lost") : isRight(item.right) ? "won" : "neither"].push(item);
    const [won, lost] = [groups.won.length, groups.lost.length];
    const sentence = `Of ${several(items.length, "item")}, ${won + lost ? `${won + lost} flipped: ${won} that only ${b.model} gets right, ${lost} that only ${a.model} does` : "none flipped"}.`;
    const parts_ = [["both right", groups.both, "var(--p-heldout)"], ["only B", groups.won, "var(--d0)"], ["only A", groups.lost, "var(--d1)"], ["both wrong", groups.neither, "var(--p5)"]].filter(([, group]) => group.length);
    const tally = el("div", {class: "tally", role: "img", "aria-label": parts_.map(([name, group]) => `${name}: ${group.length}`).join(", ")}, parts_.map(([name, group, colour]) => el("span", {style: {flex: `${group.length} 1 0`, background: colour}, title: `${name}: ${group.length}`}, group.length / items.length > 0.09 ? `${name} ${group.length}` : "")));
    const listed = items.filter((item) => (chosen.kind === "all" ? isRight(item.left) !== isRight(item.right) : groups[chosen.kind].includes(item)));
    const left = listed.length - chosen.shown;
    const more = left > 0 ? el("button", {type: "button", on: {click: () => { chosen.shown += 100; update(); }}}, `Show ${Math.min(100, left)} more of ${left}`) : null;
    return [el("p", {class: "claim"}, sentence), tally, el("ul", {class: "items"}, listed.slice(0, chosen.shown).map((item) => card(item, a, b, isRight))), more].filter(Boolean);
  };

  const card = (item, a, b, isRight) => {
    const answer = (who, model, said) => [el("div", {}, el("dt", {}, `${who}: ${model.model}`), el("dd", {class: isRight(said) ? "better" : "worse"}, `${isRight(said) ? "✓" : "✗"} ${said[1] || (isRight(said) ? "right" : "wrong")}`))];
    return el("li", {}, el("span", {class: "fine"}, `item ${item.id}`), el("pre", {tabindex: "0"}, item.question || "Its text was not kept."),
      el("dl", {class: "answers"}, answer("A", a, item.left), answer("B", b, item.right), el("div", {}, el("dt", {}, "right answer"), el("dd", {}, item.target || "–"))));
  };

  return {draw};
})();
