// What comes and goes, and what stays: as it was while this page is open.

import { useEffect, useMemo, useRef, useState } from "react";
import type { Queue } from "../../api/shapes";
import { Chart, type Line } from "../../parts/chart";
import { Card } from "../../parts/frame";
import { compact, rate } from "../../words/numbers";

interface Point {
  at: number;
  queue: Queue;
}

/** So many looks are kept. */
const KEPT = 720;

export function QueueRates({ queue, asked }: { queue: Queue; asked: number }) {
  const [points, setPoints] = useState<Point[]>([]);
  const latest = useRef(queue);
  latest.current = queue;
  // One point for each answer, also where nothing has changed.
  useEffect(() => setPoints((before) => [...before.slice(-KEPT), { at: asked / 1000, queue: latest.current }]), [asked]);
  const at = useMemo(() => points.map((point) => point.at), [points]);
  const { backlog, rates } = useMemo(() => {
    const line = (title: string, color: Line["color"], of: (queue: Queue) => number | undefined, more: Partial<Line> = {}): Line => ({
      title,
      color,
      values: points.map((point) => of(point.queue)),
      ...more,
    });
    return {
      backlog: [
        line("ready", "ready", (one) => one.messages_ready, { fill: true }),
        line("unacked", "unacked", (one) => one.messages_unacknowledged),
        line("delayed", "delayed", (one) => one.messages_delayed),
        line("parked", "parked", (one) => one.messages_parked),
      ],
      rates: [
        line("published", "accent", (one) => one.message_stats?.publish_details?.rate, { fill: true }),
        line("delivered", "delayed", (one) => one.message_stats?.deliver_get_details?.rate),
        line("acknowledged", "acked", (one) => one.message_stats?.ack_details?.rate),
        line("redelivered", "parked", (one) => one.message_stats?.redeliver_details?.rate),
      ],
    };
  }, [points]);
  return (
    <div className="columns">
      <Card title="Messages here" note="since this page was opened">
        <Chart at={at} lines={backlog} say={compact} steps="whole" />
      </Card>
      {queue.message_stats && (
        <Card title="Messages a second">
          <Chart at={at} lines={rates} say={rate} />
        </Card>
      )}
    </div>
  );
}
