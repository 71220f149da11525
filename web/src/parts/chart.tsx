// Lines over time, by uPlot, in the colours of the theme.

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useSettings } from "./settings";
import { Dot, type Place } from "./show";

export interface Line {
  title: string;
  color: Place;
  values: (number | null | undefined)[];
  fill?: boolean;
  dashed?: boolean;
  bars?: boolean;
}

interface ChartProps {
  /** Seconds of Unix time; or any numbers where `x` says how they read. */
  at: number[];
  lines: Line[];
  say: (value: number) => string;
  height?: number;
  /** How the values along the bottom read, if they are no times. */
  x?: (value: number) => string;
  /** A scale by powers of ten. */
  log?: boolean;
  /** The newest value beside each name. */
  told?: boolean;
  /** The steps of the scale: powers of two for bytes, whole numbers for what is counted. */
  steps?: keyof typeof STEPS;
}

/** So many seconds are shown at the least. */
const SHORTEST = 120;

const STEPS = {
  binary: Array.from({ length: 50 }, (_, power) => 2 ** power),
  whole: Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat(),
};

const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function Chart({ at, lines, say, height = 168, x, log = false, told = true, steps }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const words = useRef(say);
  words.current = say;
  const { shown } = useSettings();
  const timed = x === undefined;
  const data = useMemo<uPlot.AlignedData>(() => {
    const values = lines.map((line) => line.values.map((value) => value ?? null));
    const [first] = at;
    // Around a single time uPlot would draw a whole day.
    if (timed && at.length === 1 && first !== undefined) return [[first - SHORTEST, first], ...values.map(([value = null]) => [null, value])];
    return [at, ...values];
  }, [at, lines, timed]);
  const latest = useRef(data);
  latest.current = data;
  const kinds = JSON.stringify(lines.map(({ title, color: name, fill, dashed, bars }) => [title, name, fill, dashed, bars]));

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const axis = {
      stroke: color("faint"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: color("grid"), width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: Math.max(element.clientWidth, 100),
      height,
      padding: [10, 8, 0, 0],
      cursor: { points: { size: 6 }, y: false, drag: { x: false, y: false } },
      legend: { show: false },
      scales: {
        x: { time: x === undefined, range: (_, low, high) => (x ? [(low ?? 1) - 0.6, (high ?? 1) + 0.6] : [Math.min(low ?? 0, (high ?? 0) - SHORTEST), high ?? 0]) },
        y: log ? { distr: 3, range: (_, low, high) => [(low ?? 1) / 2, (high ?? 10) * 1.2] } : { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 1) * 1.08)] },
      },
      axes: [
        { ...axis, space: 70, size: 26, ...(x ? { values: (_: uPlot, splits: number[]) => splits.map(x) } : { values: times }) },
        { ...axis, size: log ? 76 : 58, space: 34, ...(steps ? { incrs: STEPS[steps] } : {}), values: (_, splits) => splits.map((value) => (value === null ? "" : words.current(value))) },
      ],
      series: [
        {},
        ...lines.map((line): uPlot.Series => ({
          label: line.title,
          stroke: color(line.color),
          width: line.bars ? 0 : 1.5,
          // A single value would be no line: it is a point.
          points: { show: (plot, place) => (x !== undefined && !line.bars) || (plot.data[place] ?? []).filter((value) => value !== null).length === 1, size: 6 },
          ...(line.bars && uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.7, 60] }), fill: `${color(line.color)}cc` } : {}),
          ...(line.fill ? { fill: `${color(line.color)}1f` } : {}),
          ...(line.dashed ? { dash: [4, 4] } : {}),
          spanGaps: true,
        })),
      ],
      plugins: [pointer(() => words.current, x)],
    };
    const made = new uPlot(options, latest.current, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(element.clientWidth, 100), height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
    // The lines' values come by setData.
  }, [kinds, height, shown, log, timed]);

  useEffect(() => plot.current?.setData(data), [data]);

  return (
    <div>
      <div className="legend">
        {lines.map((line) => {
          const value = line.values.findLast((one) => one !== null && one !== undefined);
          return (
            <span key={line.title}>
              <Dot of={line.color} />
              {line.title} {told && <b>{value === null || value === undefined ? "–" : say(value)}</b>}
            </span>
          );
        })}
      </div>
      <div className="chart" ref={box} />
    </div>
  );
}

/** Times along the bottom: by the second where little is shown. */
function times(plot: uPlot, splits: number[]): string[] {
  if ((plot.data[0] ?? []).length === 0) return splits.map(() => "");
  const [first = 0, second = 0] = splits;
  const two = (value: number) => String(value).padStart(2, "0");
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const text = `${two(date.getHours())}:${two(date.getMinutes())}`;
    return second - first < 60 ? `${text}:${two(date.getSeconds())}` : text;
  });
}

/** The values where the pointer is. */
function pointer(say: () => (value: number) => string, x?: (value: number) => string): uPlot.Plugin {
  const tip = document.createElement("div");
  tip.className = "tip chart-tip";
  tip.hidden = true;
  return {
    hooks: {
      init: (plot) => plot.over.append(tip),
      setCursor: (plot) => {
        const { idx, left = -1 } = plot.cursor;
        const at = idx === null || idx === undefined ? undefined : plot.data[0][idx];
        tip.hidden = at === undefined || left < 0;
        if (tip.hidden || at === undefined || idx === null || idx === undefined) return;
        const lines = plot.series.slice(1).map((series, place) => {
          const value = plot.data[place + 1]?.[idx];
          return `${String(series.label)}  ${value === null || value === undefined ? "–" : say()(value)}`;
        });
        tip.textContent = [x ? x(at) : new Date(at * 1000).toLocaleTimeString(), ...lines].join("\n");
        const right = left > plot.over.clientWidth / 2;
        tip.style.left = right ? "auto" : `${left + 12}px`;
        tip.style.right = right ? `${plot.over.clientWidth - left + 12}px` : "auto";
      },
    },
  };
}
