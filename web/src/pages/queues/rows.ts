// A long list of the server, of which only the pages in sight are asked for.

import { useQueries } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { request, type Refused } from "../../api/request";
import type { Paged } from "../../api/shapes";
import { useSettings } from "../../parts/settings";
import type { Sort } from "../../parts/table";

const SIZE = 100;

export interface Rows<T> {
  /** How many there are, and how many the filter finds. */
  total: number | undefined;
  found: number | undefined;
  at: (place: number) => T | undefined;
  loaded: T[];
  seen: (from: number, to: number) => void;
  error: Refused | null;
}

export function useRows<T>(list: string, sort: Sort, filter: string): Rows<T> {
  const { refresh } = useSettings();
  const [[first, last], setPages] = useState([1, 1]);
  useEffect(() => setPages([1, 1]), [list, filter]);
  const numbers = useMemo(() => Array.from({ length: last - first + 1 }, (_, at) => first + at), [first, last]);
  const pages = useQueries({
    queries: numbers.map((page) => ({
      queryKey: [list, sort.id, sort.down, filter, page],
      queryFn: () => {
        const query = new URLSearchParams({ page: String(page), page_size: String(SIZE), sort: sort.id, sort_reverse: String(sort.down), name: filter });
        return request<Paged<T>>("GET", `${list}?${query.toString()}`);
      },
      refetchInterval: refresh === 0 ? (false as const) : refresh,
      placeholderData: (before: Paged<T> | undefined) => before,
    })),
  });
  const known = pages.map((page) => page.data);
  const some = known.find((page) => page !== undefined);
  const byPage = new Map(known.flatMap((page) => (page ? [[page.page, page.items] as const] : [])));
  const seen = useCallback((from: number, to: number) => {
    const [now, then] = [Math.floor(from / SIZE) + 1, Math.floor(to / SIZE) + 1];
    setPages((before) => (before[0] === now && before[1] === then ? before : [now, then]));
  }, []);
  return {
    total: some?.total_count,
    found: some?.filtered_count,
    at: (place) => byPage.get(Math.floor(place / SIZE) + 1)?.[place % SIZE],
    loaded: [...byPage.values()].flat(),
    seen,
    // A list that has become shorter has lost the page that was in sight: the next look finds that out.
    error: pages.map((page) => page.error as Refused | null).find((error) => error !== null && error.status !== 400) ?? null,
  };
}
