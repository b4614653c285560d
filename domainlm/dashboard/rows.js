// The store's rows as objects, the choices that a person made, and elements whose texts are text nodes and nothing else.
"use strict";
const domainlm = (() => {
  const waiting = new Map();
  const received = new Map();
  const keyOf = (kind, value) => (kind === "data" ? "data.js" : kind === "record" ? `records/${value.record}.js` : `items/${value.record}.${value.number}.js`);

  // Called by the scripts beside the page.
  const receive = (kind, value) => {
    received.set(keyOf(kind, value), value);
    waiting.get(keyOf(kind, value))?.(value);
  };

  // A promise of what a script beside the page brings; null where it can't be loaded.
  const load = (name) => {
    if (received.has(name)) return Promise.resolve(received.get(name));
    return new Promise((resolve) => {
      const script = document.createElement("script");
      waiting.set(name, resolve);
      script.src = name;
      script.onerror = () => resolve(null);
      script.onload = () => { script.remove(); resolve(received.get(name) ?? null); };
      document.head.append(script);
    });
  };

  const rowsOf = (columns) => {
    const names = Object.keys(columns);
    if (!names.length) return [];
    const read = names.map((name) => (columns[name].words ? (i) => columns[name].words[columns[name].at[i]] : (i) => columns[name][i]));
    const first = columns[names[0]];
    return d3.range((first.words ? first.at : first).length).map((i) => Object.fromEntries(names.map((name, k) => [name, read[k](i)])));
  };

  // `el("p", {class: "x", on: {click}}, "text", node)`: strings become text nodes.
  const el = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
      else if (name === "style") for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  };

  const $ = (id) => document.getElementById(id);
  const options = (select, values, chosen, label = (value) => value) => {
    select.replaceChildren(...values.map((value) => el("option", {value, selected: value === chosen}, label(value))));
    select.value = chosen;
  };

  const date = new Intl.DateTimeFormat(undefined, {year: "numeric", month: "short", day: "numeric"});
  const minute = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit"});
  const when = (seconds) => `${date.format(new Date(1000 * seconds))}, ${minute.format(new Date(1000 * seconds))}`;
  const several = (n, one, many = `${one}s`) => `${d3.format(",")(n)} ${n === 1 ? one : many}`;
  const prose = (name) => name.replaceAll("_", " ");
  const proportions = new Set(["acc", "acc_norm", "exact_match", "f1", "accuracy"]);
  const level = (value, metric) => (proportions.has(metric) ? parts.percent(value) : parts.fixed(value));
  const change = (value, metric) => (proportions.has(metric) ? `${parts.signed(100 * value, 1)} pts` : parts.signed(value));

  return {receive, load, rowsOf, el, $, options, when, date, several, prose, level, change};
})();
