// Who receives from a queue; and of one that gets nothing, why.

import { Radio } from "lucide-react";
import { useMemo } from "react";
import type { Consumer, Queue } from "../../api/shapes";
import { useApi } from "../../api/use";
import { Answer, Card, Code, Empty } from "../../parts/frame";
import { path } from "../../words/names";
import { ConsumerTable } from "../consumers/table";

export function QueueConsumers({ queue }: { queue: Queue }) {
  const consumers = useApi<Consumer[]>(path("consumers", queue.vhost));
  const mine = useMemo(() => (consumers.data ?? []).filter((consumer) => consumer.queue.name === queue.name), [consumers.data, queue.name]);
  if (queue.consumers === 0) {
    return (
      <Card bare title="Consumers">
        <Empty icon={Radio} title="Nobody receives from this queue">
          <p>Messages wait here until somebody does. With Python and pika:</p>
          <Code>{`def work(channel, method, properties, body):
    print(body)
    channel.basic_ack(method.delivery_tag)

channel.basic_qos(prefetch_count=20)
channel.basic_consume(${JSON.stringify(queue.name)}, work)
channel.start_consuming()`}</Code>
        </Empty>
      </Card>
    );
  }
  return (
    <Answer of={consumers} what="consumers">
      {() => (
        <Card bare title="Consumers">
          <ConsumerTable consumers={mine} withQueue={false} height="420px" />
        </Card>
      )}
    </Answer>
  );
}
