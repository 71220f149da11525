// Who receives, and why somebody gets nothing.

import { Radio } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import type { Consumer } from "../api/shapes";
import { useApi } from "../api/use";
import { Check, Filter } from "../parts/fields";
import { Answer, Card, Empty, Page } from "../parts/frame";
import { Badge } from "../parts/show";
import { ConsumerTable } from "./consumers/table";

export default function Consumers() {
  const consumers = useApi<Consumer[]>("/api/consumers");
  const [filter, setFilter] = useState("");
  const [waiting, setWaiting] = useState(false);
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(
    () =>
      (consumers.data ?? []).filter(
        (one) => (!waiting || one.landfall_waiting_for) && `${one.consumer_tag} ${one.queue.name} ${one.channel_details?.name ?? ""}`.toLowerCase().includes(wanted),
      ),
    [consumers.data, wanted, waiting],
  );
  return (
    <Page title="Consumers" marks={consumers.data && <Badge>{consumers.data.length}</Badge>}>
      <Answer of={consumers} what="consumers">
        {() => (
          <>
            <div className="tools">
              <Filter value={filter} change={setFilter} hint="Filter by consumer, queue" />
              <Check value={waiting} change={setWaiting}>
                Only those that get nothing
              </Check>
            </div>
            <Card bare>
              <ConsumerTable
                consumers={rows}
                empty={
                  <Empty icon={Radio} title={waiting ? "Every consumer gets what there is" : "Nobody receives"}>
                    {!waiting && <p>A program becomes a consumer with basic.consume on a queue.</p>}
                  </Empty>
                }
              />
            </Card>
          </>
        )}
      </Answer>
    </Page>
  );
}
