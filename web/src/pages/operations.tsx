// What operators did at this node, and who was not let in.

import { ClipboardList } from "lucide-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";
import { request, type Refused } from "../api/request";
import type { Operation, Operations as Told } from "../api/shapes";
import { useSession } from "../api/session";
import { Button } from "../parts/buttons";
import { Filter, Select } from "../parts/fields";
import { Answer, Card, Empty, Notice, Page } from "../parts/frame";
import { useSettings } from "../parts/settings";
import { Badge, Time } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { many } from "../words/numbers";
import { deed } from "../words/operations";

const columns: Column<Operation>[] = [
  { id: "at", title: "When", width: "110px", by: (one) => one.at, cell: (one) => <Time at={one.at} /> },
  { id: "user", title: "Who", width: "minmax(90px, 0.6fr)", by: (one) => one.user, cell: (one) => <span className="name cut">{one.user || "somebody"}</span> },
  {
    id: "did",
    title: "Did",
    width: "minmax(220px, 2fr)",
    wide: true,
    by: (one) => one.path,
    cell: (one) => {
      const { did, to } = deed(one.method, one.path);
      return (
        <span className="cut" title={`${one.method} ${one.path}`}>
          <span className="muted">{did}</span> {to.join(" · ")}
          {one.error && <span className="faint"> {one.error}</span>}
        </span>
      );
    },
  },
  {
    id: "status",
    title: "Outcome",
    width: "100px",
    by: (one) => one.status,
    cell: (one) => (one.status < 400 ? <Badge tone="good">done</Badge> : <Badge tone="bad" tip={one.error ?? `HTTP ${one.status}`}>{one.status === 401 || one.status === 403 || one.status === 429 ? "refused" : "failed"}</Badge>),
  },
  { id: "address", title: "From", spare: true, width: "minmax(110px, 0.7fr)", by: (one) => one.address, cell: (one) => <span className="muted cut">{one.address}</span> },
];

export default function Operations() {
  const { may } = useSession();
  return (
    <Page title="Operations" about="What operators changed through this node, by these pages, the command line or tools, and logins that were refused. What clients do over AMQP is not here.">
      {may("administrator") ? <List /> : <Notice what="Only an administrator sees what others did." />}
    </Page>
  );
}

function List() {
  const { refresh } = useSettings();
  const [outcome, setOutcome] = useState("");
  const [filter, setFilter] = useState("");
  const told = useInfiniteQuery<Told, Refused, { operations: Operation[]; unwritten: number }, string[], string>({
    queryKey: ["operations", outcome],
    queryFn: ({ pageParam }) => request<Told>("GET", `/api/landfall/operations?limit=500${outcome && `&outcome=${outcome}`}${pageParam && `&before=${pageParam}`}`),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
    select: ({ pages }) => ({ operations: pages.flatMap((page) => page.operations), unwritten: pages[0]?.unwritten ?? 0 }),
    refetchInterval: refresh === 0 ? false : refresh,
  });
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(() => {
    const words = (one: Operation) => `${one.user} ${one.address} ${one.error ?? ""} ${deed(one.method, one.path).to.join(" ")} ${one.path}`.toLowerCase();
    return (told.data?.operations ?? []).filter((one) => words(one).includes(wanted));
  }, [told.data, wanted]);
  return (
    <Answer of={told} what="what operators did">
      {({ unwritten }) => (
        <>
          {unwritten > 0 && <Notice tone="bad" what={`${many(unwritten, "operation")} could not be written down.`}>The log of the server says why.</Notice>}
          <div className="tools">
            <Filter value={filter} change={setFilter} hint="Filter by user, name, address, error" />
            <Select
              bare
              label="Outcome"
              value={outcome}
              change={setOutcome}
              of={[
                ["", "All"],
                ["done", "Done"],
                ["failed", "Refused or failed"],
              ]}
            />
          </div>
          <Card bare>
            <Table
              rows={rows}
              columns={columns}
              rowKey={(one) => `${one.number} ${one.at} ${one.method} ${one.path}`}
              sort={{ id: "at", down: true }}
              empty={
                <Empty icon={ClipboardList} title="Nothing was done yet">
                  <p>What is declared, deleted, published or redriven through this node stands here from then on.</p>
                </Empty>
              }
            />
          </Card>
          {told.hasNextPage && (
            <div className="tools">
              <Button disabled={told.isFetchingNextPage} onClick={() => void told.fetchNextPage()}>
                Earlier ones
              </Button>
            </div>
          )}
        </>
      )}
    </Answer>
  );
}
