// Virtual hosts: separate worlds of queues and exchanges.

import { Pencil, Plus, Server, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import type { Limits, Vhost } from "../api/shapes";
import { useSession } from "../api/session";
import { useApi, useChange } from "../api/use";
import { Button, IconButton } from "../parts/buttons";
import { Dialog, useConfirm } from "../parts/dialogs";
import { Field, Input } from "../parts/fields";
import { Answer, Card, Empty, Page } from "../parts/frame";
import { Badge } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { link, path } from "../words/names";
import { EditLimits, limitsText } from "./users/limits";

export default function Vhosts() {
  const { may } = useSession();
  const vhosts = useApi<Vhost[]>("/api/vhosts");
  const limits = useApi<Limits[]>("/api/vhost-limits");
  const [editing, setEditing] = useState<Vhost | "new" | null>(null);
  const [limiting, setLimiting] = useState<string | null>(null);
  const confirm = useConfirm();
  const { change } = useChange();
  const administrator = may("administrator");
  const limitsOf = useMemo(() => new Map((limits.data ?? []).map((one) => [one.vhost ?? "", one.value])), [limits.data]);
  const columns = useMemo<Column<Vhost>[]>(() => {
    const remove = async (one: Vhost) => {
      const lost = `${one.name} and everything in it will be gone for good: its queues with all their messages, exchanges, bindings, permissions and policies.`;
      if (await confirm({ title: `Delete the virtual host ${one.name}?`, lost, action: "Delete all of it", typed: one.name })) {
        await change({ method: "DELETE", path: path("vhosts", one.name), done: `${one.name} is deleted.` });
      }
    };
    return [
      {
        id: "name",
        title: "Virtual host",
        width: "minmax(150px, 1fr)",
        wide: true,
        by: (one) => one.name,
        cell: (one) => (
          <Link className="name" to={link("/queues", { vhost: one.name })}>
            {one.name}
          </Link>
        ),
      },
      { id: "description", title: "Description", width: "minmax(160px, 2fr)", cell: (one) => <span className="muted cut">{one.description || "–"}</span> },
      {
        id: "tags",
        title: "Tags",
        width: "minmax(100px, 1fr)",
        cell: (one) => (
          <span className="marks">
            {one.tags.map((tag) => (
              <Badge key={tag}>{tag}</Badge>
            ))}
          </span>
        ),
      },
      { id: "limits", title: "Limits", width: "minmax(140px, 1fr)", cell: (one) => <span className="muted">{limitsText(limitsOf.get(one.name))}</span> },
      {
        id: "do",
        title: "",
        width: "128px",
        end: true,
        cell: (one) =>
          administrator && (
            <span className="marks">
              <IconButton icon={Pencil} name="Change" onClick={() => setEditing(one)} />
              <Button small kind="quiet" onClick={() => setLimiting(one.name)}>
                Limits
              </Button>
              <IconButton icon={Trash2} name="Delete" onClick={() => void remove(one)} />
            </span>
          ),
      },
    ];
  }, [administrator, change, confirm, limitsOf]);
  return (
    <Page
      title="Virtual hosts"
      about="Each has queues, exchanges and permissions of its own; a connection is to one of them."
      actions={
        administrator && (
          <Button kind="primary" icon={Plus} onClick={() => setEditing("new")}>
            New virtual host
          </Button>
        )
      }
    >
      <Answer of={vhosts} what="virtual hosts">
        {(all) => (
          <Card bare>
            <Table rows={all} columns={columns} rowKey={(one) => one.name} sort={{ id: "name", down: false }} empty={<Empty icon={Server} title="You may see no virtual host" />} />
          </Card>
        )}
      </Answer>
      {editing && <Edit vhost={editing === "new" ? undefined : editing} close={() => setEditing(null)} />}
      {limiting && <EditLimits kind="vhost" name={limiting} now={limitsOf.get(limiting) ?? {}} close={() => setLimiting(null)} />}
    </Page>
  );
}

function Edit({ vhost, close }: { vhost: Vhost | undefined; close: () => void }) {
  const { change } = useChange();
  const [name, setName] = useState(vhost?.name ?? "");
  const [description, setDescription] = useState(vhost?.description ?? "");
  const [tags, setTags] = useState(vhost?.tags.join(", ") ?? "");
  const body = { description, tags: tags.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "").join(",") };
  const act = () => change({ method: "PUT", path: path("vhosts", name), body, done: `${name} is saved.` });
  return (
    <Dialog title={vhost ? `Change ${vhost.name}` : "New virtual host"} close={close} action="Save" act={act} disabled={name === ""}>
      {!vhost && (
        <Field label="Name" hint="Nobody has a permission in it at first.">
          <Input value={name} change={setName} required />
        </Field>
      )}
      <Field label="Description">
        <Input value={description} change={setDescription} />
      </Field>
      <Field label="Tags" hint="with commas between them">
        <Input value={tags} change={setTags} />
      </Field>
    </Dialog>
  );
}
