// The bindings of a virtual host, drawn.

import { GitFork } from "lucide-react";
import { useMemo } from "react";
import { Link } from "react-router";
import type { Binding, Exchange } from "../../api/shapes";
import { useApi } from "../../api/use";
import { Answer, Card, Empty, Notice } from "../../parts/frame";
import { around, curve, cut, drawn } from "../../words/graph";
import { many } from "../../words/numbers";
import { link, path } from "../../words/names";

/** More boxes than that are no picture any more. */
const MOST = 160;

interface DrawingProps {
  vhost: string;
  exchanges: Exchange[];
  /** Only what has to do with this exchange. */
  only?: string;
}

export function Drawing({ vhost, exchanges, only }: DrawingProps) {
  const bindings = useApi<Binding[]>(path("bindings", vhost), { every: 20_000 });
  return (
    <Answer of={bindings} what="bindings">
      {(all) => <Picture vhost={vhost} exchanges={exchanges} bindings={only === undefined ? all : around(all, only)} />}
    </Answer>
  );
}

function Picture({ vhost, exchanges, bindings }: { vhost: string; exchanges: Exchange[]; bindings: Binding[] }) {
  const key = JSON.stringify(bindings);
  const graph = useMemo(() => drawn(exchanges, JSON.parse(key) as Binding[], MOST), [exchanges, key]);
  if (graph.boxes.length === 0) {
    return (
      <Card bare>
        <Empty icon={GitFork} title="Nothing is bound here">
          <p>Bindings lead from an exchange to a queue or to another exchange. Every queue can be reached through the default exchange by its name, without any.</p>
        </Empty>
      </Card>
    );
  }
  return (
    <Card bare title="From exchanges to queues" note={many(bindings.filter((binding) => binding.source !== "").length, "binding")}>
      {graph.left > 0 && <Notice line what={`${many(graph.left, "box is", "boxes are")} left out: open an exchange to see what is around it.`} />}
      <div className="drawing">
        <svg width={graph.width} height={graph.height} viewBox={`0 0 ${graph.width} ${graph.height}`} role="img" aria-label="Bindings">
          <defs>
            <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0,0.8 L7,4 L0,7.2" />
            </marker>
          </defs>
          {graph.arrows.map((arrow) => {
            const middle = arrow.points[Math.floor(arrow.points.length / 2)];
            return (
              <g key={arrow.id} className="arrow">
                <title>{arrow.title}</title>
                <path d={curve(arrow.points)} markerEnd="url(#tip)" />
                {middle && arrow.label && (
                  <text x={middle.x} y={middle.y} textAnchor="middle" dominantBaseline="central">
                    {arrow.label}
                  </text>
                )}
              </g>
            );
          })}
          {graph.boxes.map((box) => (
            <Link key={box.id} to={box.kind === "queue" ? link("/queue", { vhost, name: box.name }) : link("/exchanges", { vhost, name: box.name })}>
              <g className={`box ${box.kind}`} transform={`translate(${box.x},${box.y})`}>
                <title>{`${box.type} ${box.name}`}</title>
                <rect width={box.width} height={box.height} rx={box.kind === "queue" ? 6 : box.height / 2} />
                <text x={box.width / 2} y={box.height / 2} textAnchor="middle" dominantBaseline="central">
                  {cut(box.name, 26)}
                </text>
              </g>
            </Link>
          ))}
        </svg>
      </div>
    </Card>
  );
}
