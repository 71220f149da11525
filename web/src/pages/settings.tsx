// How these pages look and how often they ask, in this browser.

import { useSession } from "../api/session";
import type { Overview } from "../api/shapes";
import { useApi } from "../api/use";
import { Card, Facts, Page, Segments } from "../parts/frame";
import { useSettings } from "../parts/settings";

export default function Settings() {
  const { theme, density, refresh, set } = useSettings();
  const { name, tags } = useSession();
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
      </div>
    </Page>
  );
}
