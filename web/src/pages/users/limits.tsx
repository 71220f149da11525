// How much a user, or a virtual host, may have.

import { useState } from "react";
import { useChange } from "../../api/use";
import { Dialog } from "../../parts/dialogs";
import { Field, Input } from "../../parts/fields";
import { count } from "../../words/numbers";
import { path } from "../../words/names";

const LIMITS = {
  user: [
    ["max-connections", "Connections"],
    ["max-channels", "Channels"],
  ],
  vhost: [
    ["max-connections", "Connections"],
    ["max-queues", "Queues"],
  ],
} as const;

/** Limits in a few words. */
export function limitsText(limits: Record<string, number> | undefined): string {
  const set = Object.entries(limits ?? {});
  return set.length === 0 ? "none" : set.map(([name, value]) => `${count(value)} ${name.replace("max-", "")}`).join(", ");
}

interface LimitsProps {
  kind: "user" | "vhost";
  name: string;
  now: Record<string, number>;
  close: () => void;
}

export function EditLimits({ kind, name, now, close }: LimitsProps) {
  const { change } = useChange();
  const [values, setValues] = useState<Record<string, string>>(Object.fromEntries(Object.entries(now).map(([key, value]) => [key, String(value)])));
  const act = async () => {
    for (const [limit] of LIMITS[kind]) {
      const value = values[limit] ?? "";
      const to = path(`${kind}-limits`, name, limit);
      if (value === String(now[limit] ?? "")) continue;
      const done = value === "" ? await change({ method: "DELETE", path: to, done: `${limit} is lifted.` }) : await change({ method: "PUT", path: to, body: { value: Number(value) }, done: `${limit} is ${value}.` });
      if (!done) return false;
    }
    return true;
  };
  return (
    <Dialog title={`Limits of ${name}`} close={close} action="Save" act={act}>
      <p className="muted">Left empty there is none.</p>
      {LIMITS[kind].map(([limit, title]) => (
        <Field key={limit} label={`${title}, at most`}>
          <Input value={values[limit] ?? ""} change={(value) => setValues({ ...values, [limit]: value })} type="number" min={0} placeholder="no limit" />
        </Field>
      ))}
    </Dialog>
  );
}
