// How these pages look and how often they ask, in this browser.

import { SlidersHorizontal, Stethoscope } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { request } from "../api/request";
import { useSession } from "../api/session";
import type { Overview, RunsWith, SelfTest, Setting } from "../api/shapes";
import { useApi } from "../api/use";
import { Button } from "../parts/buttons";
import { Filter } from "../parts/fields";
import { Answer, Card, Empty, Facts, Notice, Page, Segments } from "../parts/frame";
import { useSettings } from "../parts/settings";
import { Badge } from "../parts/show";
import { Table, type Column } from "../parts/table";

export default function Settings() {
  const { theme, density, refresh, set } = useSettings();
  const { name, tags, may } = useSession();
  const { data } = useApi<Overview>("/api/overview", { every: 0 });
  return (
    <Page title="Settings" about="Kept in this browser, for you only.">
      <div className="columns">
        <Card title="Look">
          <Facts
            of={[
              [
                "Theme",
                <Segments
                  key="t"
                  open={theme}
                  choose={(to) => set({ theme: to })}
                  of={[
                    { id: "system", title: "System" },
                    { id: "light", title: "Light" },
                    { id: "dark", title: "Dark" },
                  ]}
                />,
              ],
              [
                "Rows",
                <Segments
                  key="r"
                  open={density}
                  choose={(to) => set({ density: to })}
                  of={[
                    { id: "compact", title: "Compact" },
                    { id: "roomy", title: "Roomy" },
                  ]}
                />,
              ],
              [
                "Ask the server every",
                <Segments
                  key="a"
                  open={String(refresh)}
                  choose={(to) => set({ refresh: Number(to) })}
                  of={[
                    { id: "2000", title: "2 s" },
                    { id: "5000", title: "5 s" },
                    { id: "30000", title: "30 s" },
                    { id: "0", title: "never" },
                  ]}
                />,
              ],
            ]}
          />
        </Card>
        <Card title="This server">
          <Facts
            of={[
              ["You are", `${name} (${tags.join(", ") || "no tags"})`],
              ["Cluster", data?.cluster_name ?? "–"],
              ["Node", data?.node ?? "–"],
              ["Landfall", data?.landfall_version ?? "–"],
              ["HTTP API of", `RabbitMQ ${data?.rabbitmq_version ?? "–"}`],
            ]}
          />
        </Card>
        {tags.includes("administrator") && <Test />}
      </div>
      {may("administrator") && <Options />}
    </Page>
  );
}

const columns: Column<Setting>[] = [
  { id: "name", title: "Option", width: "minmax(170px, 1fr)", by: (one) => one.name, cell: (one) => <code>{one.name}</code> },
  { id: "value", title: "Value", width: "minmax(160px, 1.2fr)", by: (one) => one.value, cell: (one) => <span className="cut" title={one.value}>{one.value}</span> },
  {
    id: "from",
    title: "Said",
    width: "110px",
    by: (one) => one.from,
    cell: (one) => (one.from === "default" ? <span className="faint">by default</span> : <Badge tone="accent" tip={one.from === "environment" ? one.environment : `by default ${one.default}`}>{one.from}</Badge>),
  },
  { id: "does", title: "For", spare: true, width: "minmax(220px, 2fr)", cell: (one) => <span className="muted cut" title={one.does}>{one.does}</span> },
];

/** What the node runs with that answers. */
function Options() {
  const told = useApi<RunsWith>("/api/landfall/settings", { every: 0 });
  const [filter, setFilter] = useState("");
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(
    () => (told.data?.settings ?? []).filter((one) => `${one.name} ${one.value} ${one.from} ${one.does}`.toLowerCase().includes(wanted)),
    [told.data, wanted],
  );
  return (
    <Answer of={told} what="what it runs with">
      {({ node }) => (
        <>
          <h2>What {node} runs with</h2>
          <div className="tools">
            <Filter value={filter} change={setFilter} hint="Filter by name, value, where it was said" />
          </div>
          <Card bare>
            <Table rows={rows} columns={columns} rowKey={(one) => one.name} empty={<Empty icon={SlidersHorizontal} title="No option is like that" />} />
          </Card>
        </>
      )}
    </Answer>
  );
}

/** A message goes through the server, and every step says what it took. */
function Test() {
  const [told, setTold] = useState<SelfTest | string | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      setTold(await request<SelfTest>("POST", "/api/landfall/self-test/%2F", {}));
    } catch (error) {
      setTold(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <Card title="Self-test" note="A message goes through a queue of its own, which is removed after.">
      <div className="stack">
        <div>
          <Button icon={Stethoscope} disabled={busy} onClick={() => void run()}>
            Test this server
          </Button>
        </div>
        {typeof told === "string" && (
          <Notice tone="bad" what="It was not tested.">
            {told}
          </Notice>
        )}
        {told !== null && typeof told !== "string" && (
          <>
            <Notice tone={told.ok ? "good" : "bad"} what={told.ok ? `All is well, in ${told.took_ms} ms.` : "Something is wrong."} />
            <Facts
              of={told.checks.map(({ check, ok, took_ms, says }) => [
                check,
                <span key={check}>
                  <Badge tone={ok ? "good" : "bad"}>{ok ? `${took_ms} ms` : "failed"}</Badge> {says}
                </span>,
              ])}
            />
          </>
        )}
      </div>
    </Card>
  );
}
