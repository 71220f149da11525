// What a user may do in a virtual host.

import { useState } from "react";
import type { Permission, TopicPermission, User, Vhost } from "../../api/shapes";
import { useApi, useChange } from "../../api/use";
import { Dialog } from "../../parts/dialogs";
import { Field, Input, Select } from "../../parts/fields";
import { path } from "../../words/names";

function useNames() {
  const users = useApi<User[]>("/api/users", { every: 0 });
  const vhosts = useApi<Vhost[]>("/api/vhosts", { every: 0 });
  return { users: (users.data ?? []).map((one) => one.name), vhosts: (vhosts.data ?? []).map((one) => one.name) };
}

export function EditPermission({ now, close }: { now: Permission | undefined; close: () => void }) {
  const { change } = useChange();
  const names = useNames();
  const [user, setUser] = useState(now?.user ?? "");
  const [vhost, setVhost] = useState(now?.vhost ?? "");
  const [configure, setConfigure] = useState(now?.configure ?? ".*");
  const [write, setWrite] = useState(now?.write ?? ".*");
  const [read, setRead] = useState(now?.read ?? ".*");
  const who = user || (names.users[0] ?? "");
  const where = vhost || (names.vhosts[0] ?? "/");
  const act = () => change({ method: "PUT", path: path("permissions", where, who), body: { configure, write, read }, done: `${who} may now do that in ${where}.` });
  return (
    <Dialog title="Permission" close={close} action="Save" act={act} disabled={who === ""}>
      <div className="pair">
        <Field label="User">
          <Select value={who} change={setUser} of={names.users} />
        </Field>
        <Field label="Virtual host">
          <Select value={where} change={setVhost} of={names.vhosts} />
        </Field>
      </div>
      <p className="muted">Regular expressions of names: .* is everything, an empty one nothing.</p>
      <Field label="Configure: declare and delete">
        <Input value={configure} change={setConfigure} />
      </Field>
      <Field label="Write: publish, bind">
        <Input value={write} change={setWrite} />
      </Field>
      <Field label="Read: consume, get, purge">
        <Input value={read} change={setRead} />
      </Field>
    </Dialog>
  );
}

export function EditTopicPermission({ now, close }: { now: TopicPermission | undefined; close: () => void }) {
  const { change } = useChange();
  const names = useNames();
  const [user, setUser] = useState(now?.user ?? "");
  const [vhost, setVhost] = useState(now?.vhost ?? "");
  const [exchange, setExchange] = useState(now?.exchange ?? "amq.topic");
  const [write, setWrite] = useState(now?.write ?? ".*");
  const [read, setRead] = useState(now?.read ?? ".*");
  const who = user || (names.users[0] ?? "");
  const where = vhost || (names.vhosts[0] ?? "/");
  const act = () => change({ method: "PUT", path: path("topic-permissions", where, who), body: { exchange, write, read }, done: `${who} may now use those keys of ${exchange}.` });
  return (
    <Dialog title="Topic permission" close={close} action="Save" act={act} disabled={who === "" || exchange === ""}>
      <div className="pair">
        <Field label="User">
          <Select value={who} change={setUser} of={names.users} />
        </Field>
        <Field label="Virtual host">
          <Select value={where} change={setVhost} of={names.vhosts} />
        </Field>
      </div>
      <Field label="Topic exchange">
        <Input value={exchange} change={setExchange} />
      </Field>
      <Field label="Routing keys to publish with">
        <Input value={write} change={setWrite} />
      </Field>
      <Field label="Routing keys to bind with">
        <Input value={read} change={setRead} />
      </Field>
    </Dialog>
  );
}
