// Exchanges, queues and what leads from one to the other, laid out by dagre.

import dagre from "@dagrejs/dagre";
import type { Binding, Exchange } from "../api/shapes";

export interface Box {
  id: string;
  kind: "exchange" | "queue";
  name: string;
  type: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Arrow {
  id: string;
  label: string;
  title: string;
  points: { x: number; y: number }[];
}

export interface Graph {
  boxes: Box[];
  arrows: Arrow[];
  width: number;
  height: number;
  /** How many boxes were left out. */
  left: number;
}

const HEIGHT = 34;

/** Some letters of a name; the whole one is in the tooltip. */
export const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

/** A drawing of the bindings between the two, of at most so many boxes. */
export function drawn(exchanges: Exchange[], bindings: Binding[], most: number): Graph {
  const types = new Map(exchanges.map((exchange) => [exchange.name, exchange.type]));
  // Every queue is bound to the default exchange: that says nothing.
  const told = bindings.filter((binding) => binding.source !== "");
  const boxes = new Map<string, { kind: Box["kind"]; name: string; type: string }>();
  const put = (kind: Box["kind"], name: string) => boxes.set(`${kind} ${name}`, { kind, name, type: kind === "exchange" ? (types.get(name) ?? "") : "queue" });
  for (const binding of told) {
    put("exchange", binding.source);
    put(binding.destination_type, binding.destination);
  }
  const shown = new Set([...boxes.keys()].slice(0, most));
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 12, ranksep: 120, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [id, { name }] of boxes) {
    if (shown.has(id)) graph.setNode(id, { width: Math.min(240, 44 + cut(name, 26).length * 7.2), height: HEIGHT });
  }
  const between = new Map<string, Binding[]>();
  for (const binding of told) {
    const [from, to] = [`exchange ${binding.source}`, `${binding.destination_type} ${binding.destination}`];
    if (!shown.has(from) || !shown.has(to)) continue;
    const id = JSON.stringify([from, to]);
    between.set(id, [...(between.get(id) ?? []), binding]);
  }
  for (const [id, of] of between) {
    const [from, to] = JSON.parse(id) as [string, string];
    graph.setEdge(from, to, { width: Math.min(120, cut(labelOf(of), 18).length * 6.4), height: 14, labelpos: "c" });
  }
  dagre.layout(graph);
  const size = graph.graph();
  return {
    boxes: graph.nodes().flatMap((id) => {
      const box = boxes.get(id);
      const { x, y, width, height } = graph.node(id);
      return box ? [{ id, ...box, x: x - width / 2, y: y - height / 2, width, height }] : [];
    }),
    arrows: graph.edges().map((edge) => {
      const of = between.get(JSON.stringify([edge.v, edge.w])) ?? [];
      const { points } = graph.edge(edge) as { points: { x: number; y: number }[] };
      return { id: `${edge.v} ${edge.w}`, label: cut(labelOf(of), 18), title: of.map(nameOf).join("\n"), points };
    }),
    width: size.width ?? 0,
    height: size.height ?? 0,
    left: boxes.size - shown.size,
  };
}

/** The bindings that messages of an exchange may pass, and those that lead to it. */
export function around(bindings: Binding[], exchange: string): Binding[] {
  const reached = new Set([exchange]);
  for (let grown = true; grown; ) {
    const before = reached.size;
    for (const binding of bindings) {
      if (reached.has(binding.source) && binding.destination_type === "exchange") reached.add(binding.destination);
    }
    grown = reached.size > before;
  }
  return bindings.filter((binding) => reached.has(binding.source) || (binding.destination === exchange && binding.destination_type === "exchange"));
}

function nameOf(binding: Binding): string {
  const keys = Object.keys(binding.arguments);
  return [binding.routing_key || "(no key)", ...(keys.length > 0 ? [JSON.stringify(binding.arguments)] : [])].join(" ");
}

function labelOf(bindings: Binding[]): string {
  const [first] = bindings;
  if (!first) return "";
  return bindings.length === 1 ? first.routing_key : `${bindings.length} keys`;
}

/** A smooth line through the points of an arrow. */
export function curve(points: { x: number; y: number }[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  const last = rest.at(-1);
  const parts = rest.slice(0, -1).map((point, at) => {
    const next = rest[at + 1] ?? point;
    const end = at === rest.length - 2 ? next : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    return `Q${point.x},${point.y} ${end.x},${end.y}`;
  });
  if (parts.length === 0 && last) parts.push(`L${last.x},${last.y}`);
  return `M${first.x},${first.y} ${parts.join(" ")}`;
}
