// Tables: sorted by TanStack Table, and of any length, because only the rows in sight are drawn.

import { createSortedRowModel, rowSortingFeature, sortFn_alphanumeric, tableFeatures, useTable, type ColumnDef, type SortingState } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useMemo, useRef, useState, type CSSProperties, type ReactNode } from "react";

export interface Column<T> {
  id: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** What rows are sorted by; without it the column does not sort. */
  by?: (row: T) => string | number;
  /** A width as CSS grids know it. */
  width?: string;
  end?: boolean;
  /** On a phone: the whole width, without the column's name. */
  wide?: boolean;
  /** Left out on a phone. */
  spare?: boolean;
}

export interface Sort {
  id: string;
  down: boolean;
}

interface Chosen<T> {
  keys: ReadonlySet<string>;
  set: (keys: ReadonlySet<string>) => void;
  /** The rows that "all" means. */
  all?: T[];
}

interface Look<T> {
  columns: Column<T>[];
  rowKey: (row: T) => string;
  chosen?: Chosen<T>;
  /** Opened below its row. */
  more?: (row: T) => ReactNode;
  empty?: ReactNode;
  /** The table's height; what is longer scrolls inside of it. */
  height?: string;
}

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric },
});

/** A table of rows that are all here. */
export function Table<T extends object>({ rows, sort: first, ...look }: Look<T> & { rows: T[]; sort?: Sort }) {
  const [sorting, setSorting] = useState<SortingState>(first ? [{ id: first.id, desc: first.down }] : []);
  const columns = useMemo<ColumnDef<typeof features, T>[]>(
    () =>
      look.columns.map((column) => ({
        id: column.id,
        accessorFn: column.by ?? (() => ""),
        enableSorting: column.by !== undefined,
        sortFn: (a, b, id) => compared(a.getValue(id), b.getValue(id)),
      })),
    [look.columns],
  );
  const table = useTable({ features, columns, data: rows, state: { sorting }, onSortingChange: setSorting });
  const sorted = table.getRowModel().rows;
  const [now] = sorting;
  return (
    <Drawn
      {...look}
      total={sorted.length}
      at={(place) => sorted[place]?.original}
      sort={now && { id: now.id, down: now.desc }}
      setSort={({ id, down }) => setSorting([{ id, desc: down }])}
    />
  );
}

function compared(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

interface DrawnProps<T> extends Look<T> {
  total: number;
  /** The row at a place; undefined while it is on its way. */
  at: (place: number) => T | undefined;
  sort: Sort | undefined;
  setSort: (sort: Sort) => void;
  /** Told which places are in sight. */
  seen?: (from: number, to: number) => void;
}

/** A table whose rows come from wherever: those that are in sight are asked for. */
export function Drawn<T>({ columns, rowKey, chosen, more, empty, height = "calc(100dvh - 190px)", total, at, sort, setSort, seen }: DrawnProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: total,
    getScrollElement: () => box.current,
    estimateSize: () => 37,
    overscan: 12,
    onChange: (instance) => {
      const { range } = instance;
      if (range && seen) seen(range.startIndex, range.endIndex);
    },
  });
  const widths = [...(chosen ? ["34px"] : []), ...columns.map((column) => column.width ?? "minmax(90px, 1fr)")];
  const style = { "--columns": widths.join(" "), "--least": `${least(widths)}px`, maxHeight: height } as CSSProperties;
  if (total === 0 && empty) return <>{empty}</>;
  const items = virtual.getVirtualItems();
  return (
    <div className="table" role="table" aria-rowcount={total} ref={box} style={style} tabIndex={-1}>
      <div className="head" role="row">
        {chosen && <ChooseAll chosen={chosen} rowKey={rowKey} />}
        {columns.map((column) => (
          <span key={column.id} role="columnheader" className={column.end ? "end" : undefined} aria-sort={sort?.id === column.id ? (sort.down ? "descending" : "ascending") : undefined}>
            <Heading column={column} sort={sort} setSort={setSort} />
          </span>
        ))}
      </div>
      <div className="rows" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        <div className="placed" style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
          {items.map((item) => {
            const row = at(item.index);
            const key = row === undefined ? "" : rowKey(row);
            const opened = row !== undefined && more ? more(row) : null;
            return (
              <div key={item.key} data-index={item.index} ref={virtual.measureElement}>
                <div className="line" role="row" data-chosen={chosen?.keys.has(key) ? "" : undefined}>
                  {chosen && <Choose chosen={chosen} name={key} />}
                  {columns.map((column) => (
                    <div key={column.id} role="cell" data-label={column.title} className={`${column.end ? "end" : ""}${column.wide ? " wide" : ""}${column.spare ? " spare" : ""}`}>
                      {row === undefined ? <i className="ghost" /> : column.cell(row)}
                    </div>
                  ))}
                </div>
                {opened && <div className="more">{opened}</div>}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** How narrow the columns may get together, before the table scrolls sideways. */
function least(widths: string[]): number {
  return widths.reduce((sum, width) => sum + Number(/(\d+)px/.exec(width)?.[1] ?? 90), 12);
}

function Heading<T>({ column, sort, setSort }: { column: Column<T>; sort: Sort | undefined; setSort: (sort: Sort) => void }) {
  if (!column.by) return <>{column.title}</>;
  const isIt = sort?.id === column.id;
  // Numbers are looked at for the largest, names for the first.
  const down = isIt ? !sort.down : column.end === true;
  return (
    <button type="button" onClick={() => setSort({ id: column.id, down })}>
      {column.title}
      {isIt && (sort.down ? <ArrowDown /> : <ArrowUp />)}
    </button>
  );
}

function ChooseAll<T>({ chosen, rowKey }: { chosen: Chosen<T>; rowKey: (row: T) => string }) {
  const all = chosen.all ?? [];
  const every = all.length > 0 && all.every((row) => chosen.keys.has(rowKey(row)));
  return (
    <span className="chooser">
      <input type="checkbox" aria-label="Choose all" checked={every} onChange={() => chosen.set(every ? new Set() : new Set(all.map(rowKey)))} />
    </span>
  );
}

function Choose<T>({ chosen, name }: { chosen: Chosen<T>; name: string }) {
  const toggle = () => {
    const keys = new Set(chosen.keys);
    if (!keys.delete(name)) keys.add(name);
    chosen.set(keys);
  };
  return (
    <div className="chooser">
      <input type="checkbox" aria-label={`Choose ${name}`} checked={chosen.keys.has(name)} onChange={toggle} />
    </div>
  );
}
