"""Where every number comes from: the stages, what each read, and by which spec, code and seed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.manifest import Manifest
from domainlm.report.markup import Markup, details, el, figure, join, table
from domainlm.report.section import Section
from domainlm.report.wording import amount, count, listing, several

MAX_OUTSIDE = 3
"""Outside inputs of one stage that are drawn one by one; more are drawn as one node."""
DIGITS = 12
"""Hexadecimal digits of a digest that are shown; all of them stand under the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A stage, as far as a picture of the lineage needs it."""

    stage: str
    name: str
    key: str
    made: str
    """Digest of what it made."""
    inputs: Mapping[str, str]

    @property
    def identity(self) -> str:
        return f"{self.stage}/{self.name}"


def section(manifests: Sequence[Manifest], run: Mapping[str, Any]) -> Section:
    """`manifests` of all the stages of the run, each after the stages it reads."""
    return Section(
        id="lineage",
        title="Lineage",
        sentences=(_sentence(manifests),),
        content=join(
            figure(
                "lineage",
                "From source to report",
                "An arrow that a longer path implies is left out; the table has them all.",
            ),
            details("The stages: keys, inputs, code, seeds", _table(manifests)),
            details("Every digest in full, and each stage's spec", *(_spec(m) for m in manifests)),
            details("The run spec", el("pre", _json(run))),
            details("Library versions", _libraries(manifests)),
        ),
        charts={"lineage": {"kind": "lineage"} | graph(_nodes(manifests), "this page")},
    )


def node(made: Manifest) -> Node:
    return Node(stage=made.stage, name=made.name, key=made.key, made=made.digest(), inputs=made.inputs)


def _nodes(manifests: Sequence[Manifest]) -> list[Node]:
    return [node(made) for made in manifests]


def identity(manifest: Manifest) -> str:
    return f"{manifest.stage}/{manifest.name}"


def _made(nodes: Sequence[Node]) -> dict[str, list[str]]:
    """Stages by the digest of what they made; two may have made the same."""
    made: dict[str, list[str]] = {}
    for node in nodes:
        made.setdefault(node.made, []).append(node.identity)
    return made


def edges(nodes: Sequence[Node]) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """(from, to) between stages, matched by digest, and the names of each stage's inputs that no stage here made."""
    made = _made(nodes)
    found: list[tuple[str, str]] = []
    outside: dict[str, list[str]] = {}
    for node in nodes:
        for name, digest in node.inputs.items():
            same = made.get(digest, [])
            # Equal bytes from two stages (two mixes alike): the input's own name tells which was meant.
            parents = [p for p in same if p == name] or same[:1]
            found.extend((parent, node.identity) for parent in parents)
            if not parents:
                outside.setdefault(node.identity, []).append(name)
    return found, outside


def graph(stages: Sequence[Node], report: str = "") -> dict[str, Any]:
    """Boxes, their layers, and the arrows as routes: from box to box, through a free place in each layer between.

    With a name for a report, there is a box of it that all lead to.
    """
    links, outside = edges(stages)
    nodes = {s.identity: {"stage": s.stage, "name": s.name, "key": s.key[:DIGITS]} for s in stages}
    for stage, names in outside.items():
        kind = "source" if stage.startswith("read/") else "input"
        many = {f"outside/{stage}": several(len(names), kind)}
        for node, name in {f"outside/{n}": n for n in names}.items() if len(names) <= MAX_OUTSIDE else many.items():
            nodes[node] = {"stage": kind, "name": name, "key": ""}
            links.append((node, stage))
    if report:
        nodes["report"] = {"stage": "report", "name": report, "key": ""}
        links += [(stage.identity, "report") for stage in stages]
    links = sorted(set(links))
    shown = [link for link in links if not _implied(*link, links)]
    layers = _layers(list(nodes), shown)
    routes = _routes(shown, layers)
    return {"nodes": nodes, "layers": _ordered(layers, routes), "routes": routes}


def _layers(nodes: Sequence[str], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Nodes by the length of the longest path that leads from them to an end, longest first."""
    left = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for parent, child in links:
            left[parent] = max(left[parent], left[child] + 1)
    return [[node for node in nodes if left[node] == layer] for layer in range(max(left.values()), -1, -1)]


def _routes(links: Sequence[tuple[str, str]], layers: list[list[str]]) -> list[list[str]]:
    """Each arrow's places, one a layer; the places between its ends are added to `layers`."""
    level = {node: row for row, layer in enumerate(layers) for node in layer}
    routes = []
    for parent, child in links:
        between = [f"{parent} > {child} {row}" for row in range(level[parent] + 1, level[child])]
        for row, place in enumerate(between, start=level[parent] + 1):
            layers[row].append(place)
        routes.append([parent, *between, child])
    return routes


def _implied(parent: str, child: str, links: Sequence[tuple[str, str]]) -> bool:
    """Whether a path of two or more arrows leads from parent to child."""
    pending = [b for a, b in links if a == parent and b != child]
    seen: set[str] = set()
    while pending:
        node = pending.pop()
        if node == child:
            return True
        if node not in seen:
            seen.add(node)
            pending.extend(b for a, b in links if a == node)
    return False


def _ordered(layers: list[list[str]], routes: list[list[str]]) -> list[list[str]]:
    """Layers in the order of their neighbours' mean place, so that few arrows cross (Sugiyama's barycentre rule)."""
    steps = [pair for route in routes for pair in itertools.pairwise(route)]
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for parent, child in steps:
        above.setdefault(child, []).append(parent)
        below.setdefault(parent, []).append(child)
    place = {node: (i + 0.5) / len(layer) for layer in layers for i, node in enumerate(layer)}
    for sweep in range(6):
        near = below if sweep % 2 else above
        for row in reversed(range(len(layers))) if sweep % 2 else range(len(layers)):
            centre = {node: _mean([place[other] for other in near.get(node, [node])]) for node in layers[row]}
            layers[row] = sorted(layers[row], key=centre.__getitem__)
            place |= {node: (i + 0.5) / len(layers[row]) for i, node in enumerate(layers[row])}
    return layers


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _sentence(manifests: Sequence[Manifest]) -> str:
    made = _made(_nodes(manifests))
    inputs = {(name, digest) for m in manifests for name, digest in m.inputs.items()}
    inside = sum(digest in made for _, digest in inputs)
    files = sum(len(m.shards) for m in manifests)
    outside = count(len(inputs) - inside)
    return (
        f"{several(len(manifests), 'stage')} made {several(files, 'file')}. Of their {several(len(inputs), 'input')}, "
        f"each named by its digest, {count(inside)} are what another of these stages made, and {outside} come from "
        "outside."
    )


def _table(manifests: Sequence[Manifest]) -> Markup:
    rows = []
    for m in manifests:
        inputs = listing([f"{name} {digest[:DIGITS]}" for name, digest in m.inputs.items()]) or "none"
        size = f"{count(len(m.shards))}, {amount(sum(s.num_bytes for s in m.shards))}B"
        rows.append([identity(m), m.key[:DIGITS], m.digest()[:DIGITS], m.code[:DIGITS], str(m.seed), size, inputs])
    header = ["stage", "key", "made", "code", "seed", "files, bytes", "inputs"]
    caption = f"Stages of the run; digests are sha256, cut to {DIGITS} digits"
    return table(caption, header, rows, texts=(0, 1, 2, 3, 6))


def _spec(manifest: Manifest) -> Markup:
    shown = {
        "key": manifest.key,
        "made": manifest.digest(),
        "code": manifest.code,
        "inputs": manifest.inputs,
        "spec": manifest.spec,
    }
    return details(identity(manifest), el("pre", _json(shown)))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _libraries(manifests: Sequence[Manifest]) -> Markup:
    versions: dict[tuple[str, str], list[str]] = {}
    for manifest in manifests:
        for name, version in manifest.libraries.items():
            versions.setdefault((name, version), []).append(manifest.stage)
    rows = [[name, version, listing(list(dict.fromkeys(used)))] for (name, version), used in sorted(versions.items())]
    return table(
        "Libraries that decided the bytes of a stage", ["library", "version", "used by"], rows, texts=(0, 1, 2)
    )
