// Policies: rules for queues and exchanges by their names, those of operators above those of users.

import { Pencil, Plus, SlidersHorizontal, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import type { Policy, Vhost } from "../api/shapes";
import { useSession } from "../api/session";
import { useApi, useChange } from "../api/use";
import { Button, IconButton } from "../parts/buttons";
import { Dialog, useConfirm } from "../parts/dialogs";
import { Entries, Field, Input, Select } from "../parts/fields";
import { toArguments, toEntries, type Entry } from "../words/entries";
import { Answer, Card, Empty, Page, Tabs, useTab } from "../parts/frame";
import { Badge } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { path } from "../words/names";
import { QUEUE_ARGUMENTS } from "./queues/declare";

const tabs = [
  { id: "policies", title: "Policies" },
  { id: "operator-policies", title: "Operator policies" },
];

export default function Policies() {
  const [open, choose] = useTab(tabs);
  return (
    <Page title="Policies" about="Rules for queues and exchanges that are there already or will be, by their names. What a queue’s owner asked for counts before a policy.">
      <Tabs tabs={tabs} open={open} choose={choose} />
      <Kind key={open} kind={open} />
    </Page>
  );
}

function Kind({ kind }: { kind: string }) {
  const { may } = useSession();
  const policies = useApi<Policy[]>(`/api/${kind}`);
  const [editing, setEditing] = useState<Policy | "new" | null>(null);
  const confirm = useConfirm();
  const { change } = useChange();
  const mayEdit = kind === "policies" ? may("policymaker") : may("administrator");
  const columns = useMemo<Column<Policy>[]>(() => {
    const remove = async (one: Policy) => {
      const lost = `What ${one.pattern} fits in ${one.vhost} goes back to what its owner asked for, and to the next policy that fits.`;
      if (await confirm({ title: `Delete the policy ${one.name}?`, lost, action: "Delete" })) await change({ method: "DELETE", path: path(kind, one.vhost, one.name), done: `${one.name} is deleted.` });
    };
    return [
      { id: "name", title: "Policy", width: "minmax(130px, 1fr)", wide: true, by: (one) => one.name, cell: (one) => <span className="name">{one.name}</span> },
      { id: "vhost", title: "Virtual host", width: "110px", by: (one) => one.vhost, cell: (one) => <span className="muted cut">{one.vhost}</span> },
      { id: "pattern", title: "Pattern", width: "minmax(110px, 1fr)", cell: (one) => <span className="mono cut">{one.pattern}</span> },
      { id: "to", title: "Applies to", width: "110px", cell: (one) => <Badge>{one["apply-to"]}</Badge> },
      { id: "priority", title: "Priority", width: "80px", end: true, by: (one) => one.priority, cell: (one) => one.priority },
      {
        id: "definition",
        title: "Rules",
        width: "minmax(200px, 2fr)",
        wide: true,
        cell: (one) => (
          <span className="marks">
            {Object.entries(one.definition).map(([key, value]) => (
              <Badge key={key}>
                {key}: {typeof value === "string" ? value : JSON.stringify(value)}
              </Badge>
            ))}
          </span>
        ),
      },
      {
        id: "do",
        title: "",
        width: "84px",
        end: true,
        cell: (one) =>
          mayEdit && (
            <span className="marks">
              <IconButton icon={Pencil} name="Change" onClick={() => setEditing(one)} />
              <IconButton icon={Trash2} name="Delete" onClick={() => void remove(one)} />
            </span>
          ),
      },
    ];
  }, [change, confirm, kind, mayEdit]);
  return (
    <Answer of={policies} what={kind === "policies" ? "policies" : "operator policies"}>
      {(all) => (
        <Card
          bare
          title={kind === "policies" ? "Policies" : "Operator policies"}
          actions={
            mayEdit && (
              <Button small icon={Plus} onClick={() => setEditing("new")}>
                New policy
              </Button>
            )
          }
        >
          <Table
            rows={all}
            columns={columns}
            rowKey={(one) => `${one.vhost}\u0000${one.name}`}
            sort={{ id: "name", down: false }}
            empty={
              <Empty icon={SlidersHorizontal} title="There is no policy">
                <p>
                  {kind === "policies"
                    ? "For example: the pattern ^orders with delivery-limit 5 and dead-letter-exchange dlx."
                    : "An operator’s policy bounds what users ask for: the lower limit counts."}
                </p>
              </Empty>
            }
          />
          {editing && <Edit kind={kind} policy={editing === "new" ? undefined : editing} close={() => setEditing(null)} />}
        </Card>
      )}
    </Answer>
  );
}

const KNOWN = [...QUEUE_ARGUMENTS.map((name) => name.replace(/^x-/, "")), "alternate-exchange"];

function Edit({ kind, policy, close }: { kind: string; policy: Policy | undefined; close: () => void }) {
  const { change } = useChange();
  const { data: vhosts } = useApi<Vhost[]>("/api/vhosts?columns=name", { every: 0 });
  const [name, setName] = useState(policy?.name ?? "");
  const [vhost, setVhost] = useState(policy?.vhost ?? "/");
  const [pattern, setPattern] = useState(policy?.pattern ?? "");
  const [to, setTo] = useState(policy?.["apply-to"] ?? "queues");
  const [priority, setPriority] = useState(String(policy?.priority ?? 0));
  const [entries, setEntries] = useState<Entry[]>(toEntries(policy?.definition ?? {}));
  const definition = toArguments(entries);
  const wrong = typeof definition === "string" ? definition : undefined;
  const act = () =>
    change({ method: "PUT", path: path(kind, vhost, name), body: { pattern, definition, priority: Number(priority), "apply-to": to }, done: `${name} is in force.` });
  return (
    <Dialog title={policy ? `Change ${policy.name}` : "New policy"} close={close} action="Save" act={act} wide disabled={name === "" || pattern === "" || wrong !== undefined || entries.length === 0}>
      <div className="pair">
        {!policy && (
          <Field label="Name">
            <Input value={name} change={setName} required />
          </Field>
        )}
        {!policy && (
          <Field label="Virtual host">
            <Select value={vhost} change={setVhost} of={(vhosts ?? []).map((one) => one.name)} />
          </Field>
        )}
      </div>
      <Field label="Pattern" hint="a regular expression of names: ^orders fits all that begin with orders">
        <Input value={pattern} change={setPattern} />
      </Field>
      <div className="pair">
        <Field label="Applies to">
          <Select value={to} change={setTo} of={["queues", "classic_queues", "quorum_queues", "exchanges", "all"]} />
        </Field>
        <Field label="Priority" hint="Of those that fit the highest counts.">
          <Input value={priority} change={setPriority} type="number" />
        </Field>
      </div>
      {wrong && <p className="tone-bad">{wrong}</p>}
      <Entries value={entries} change={setEntries} known={KNOWN} add="Add rule" />
    </Dialog>
  );
}
