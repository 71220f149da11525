// Users, what they may do, and how much.

import { KeyRound, Pencil, Plus, Trash2, UserRound } from "lucide-react";
import { useMemo, useState } from "react";
import type { Limits, Permission, TopicPermission, User } from "../api/shapes";
import { useApi, useChange } from "../api/use";
import { useSession } from "../api/session";
import { Button, IconButton } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Answer, Card, Empty, Notice, Page, Tabs, useTab } from "../parts/frame";
import { Badge } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { path } from "../words/names";
import { EditLimits, limitsText } from "./users/limits";
import { EditPermission, EditTopicPermission } from "./users/permission";
import { EditUser } from "./users/user";

const tabs = [
  { id: "users", title: "Users" },
  { id: "permissions", title: "Permissions" },
  { id: "topics", title: "Topic permissions" },
];

export default function Users() {
  const { may } = useSession();
  const [open, choose] = useTab(tabs);
  return (
    <Page title="Users" about="Who may log in, what each may do in which virtual host, and how much.">
      {may("administrator") ? (
        <>
          <Tabs tabs={tabs} open={open} choose={choose} />
          {open === "users" && <List />}
          {open === "permissions" && <Permissions />}
          {open === "topics" && <TopicPermissions />}
        </>
      ) : (
        <Notice what="Only an administrator sees users.">Your tags do not include administrator.</Notice>
      )}
    </Page>
  );
}

function List() {
  const { name: me } = useSession();
  const users = useApi<User[]>("/api/users");
  const limits = useApi<Limits[]>("/api/user-limits");
  const without = useApi<User[]>("/api/users/without-permissions");
  const [editing, setEditing] = useState<User | "new" | null>(null);
  const [limiting, setLimiting] = useState<string | null>(null);
  const confirm = useConfirm();
  const { change } = useChange();
  const barred = useMemo(() => new Set((without.data ?? []).map((one) => one.name)), [without.data]);
  const limitsOf = useMemo(() => new Map((limits.data ?? []).map((one) => [one.user ?? "", one.value])), [limits.data]);
  const columns = useMemo<Column<User>[]>(() => {
    const remove = async (user: User) => {
      const lost = `${user.name}, its permissions and its limits will be gone. Its connections are closed.`;
      if (await confirm({ title: `Delete the user ${user.name}?`, lost, action: "Delete" })) await change({ method: "DELETE", path: path("users", user.name), done: `${user.name} is deleted.` });
    };
    return [
      { id: "name", title: "User", width: "minmax(140px, 1fr)", wide: true, by: (one) => one.name, cell: (one) => <span className="name">{one.name}</span> },
      {
        id: "tags",
        title: "Tags",
        width: "minmax(160px, 1fr)",
        cell: (one) => (
          <span className="marks">
            {one.tags.map((tag) => (
              <Badge key={tag} tone={tag === "administrator" ? "violet" : "plain"}>
                {tag}
              </Badge>
            ))}
            {one.tags.length === 0 && (
              <span className="faint">none: not for these pages</span>
            )}
          </span>
        ),
      },
      {
        id: "password",
        title: "Password",
        width: "110px",
        cell: (one) => (one.password_hash ? <span className="muted">set</span> : <Badge tone="warn" tip="It cannot log in with a password.">none</Badge>),
      },
      {
        id: "access",
        title: "Access",
        width: "150px",
        cell: (one) => (barred.has(one.name) ? <Badge tone="warn" tip="It may not do anything in any virtual host yet.">no permissions</Badge> : <span className="muted">has permissions</span>),
      },
      { id: "limits", title: "Limits", width: "minmax(130px, 1fr)", cell: (one) => <span className="muted">{limitsText(limitsOf.get(one.name))}</span> },
      {
        id: "do",
        title: "",
        width: "128px",
        end: true,
        cell: (one) => (
          <span className="marks">
            <IconButton icon={Pencil} name="Change" onClick={() => setEditing(one)} />
            <Button small kind="quiet" onClick={() => setLimiting(one.name)}>
              Limits
            </Button>
            <IconButton icon={Trash2} name={one.name === me ? "You cannot delete yourself" : "Delete"} disabled={one.name === me} onClick={() => void remove(one)} />
          </span>
        ),
      },
    ];
  }, [barred, change, confirm, limitsOf, me]);
  return (
    <Answer of={users} what="users">
      {(all) => (
        <Card
          bare
          title="Users"
          actions={
            <Button small icon={Plus} onClick={() => setEditing("new")}>
              New user
            </Button>
          }
        >
          <Table rows={all} columns={columns} rowKey={(one) => one.name} sort={{ id: "name", down: false }} empty={<Empty icon={UserRound} title="There are no users" />} />
          {editing && <EditUser user={editing === "new" ? undefined : editing} close={() => setEditing(null)} />}
          {limiting && <EditLimits kind="user" name={limiting} now={limitsOf.get(limiting) ?? {}} close={() => setLimiting(null)} />}
        </Card>
      )}
    </Answer>
  );
}

/** A pattern, with what it means where that is not plain. */
function Pattern({ of }: { of: string }) {
  if (of === ".*") return <Badge tone="good">everything</Badge>;
  if (of === "" || of === "^$") return <span className="faint">nothing</span>;
  return <span className="mono cut">{of}</span>;
}

function Permissions() {
  const permissions = useApi<Permission[]>("/api/permissions");
  const [editing, setEditing] = useState<Permission | "new" | null>(null);
  const confirm = useConfirm();
  const { change } = useChange();
  const columns = useMemo<Column<Permission>[]>(() => {
    const clear = async (one: Permission) => {
      const lost = `${one.user} may not do anything in ${one.vhost} any more.`;
      if (await confirm({ title: "Clear this permission?", lost, action: "Clear" })) await change({ method: "DELETE", path: path("permissions", one.vhost, one.user), done: "Cleared." });
    };
    return [
      { id: "user", title: "User", width: "minmax(120px, 1fr)", wide: true, by: (one) => one.user, cell: (one) => <span className="name">{one.user}</span> },
      { id: "vhost", title: "Virtual host", width: "minmax(100px, 1fr)", by: (one) => one.vhost, cell: (one) => <span className="cut">{one.vhost}</span> },
      { id: "configure", title: "Configure", width: "minmax(120px, 1fr)", cell: (one) => <Pattern of={one.configure} /> },
      { id: "write", title: "Write", width: "minmax(120px, 1fr)", cell: (one) => <Pattern of={one.write} /> },
      { id: "read", title: "Read", width: "minmax(120px, 1fr)", cell: (one) => <Pattern of={one.read} /> },
      {
        id: "do",
        title: "",
        width: "84px",
        end: true,
        cell: (one) => (
          <span className="marks">
            <IconButton icon={Pencil} name="Change" onClick={() => setEditing(one)} />
            <IconButton icon={Trash2} name="Clear" onClick={() => void clear(one)} />
          </span>
        ),
      },
    ];
  }, [change, confirm]);
  return (
    <Answer of={permissions} what="permissions">
      {(all) => (
        <Card
          bare
          title="Permissions"
          note="patterns of the names that a user may configure, write to and read from"
          actions={
            <Button small icon={Plus} onClick={() => setEditing("new")}>
              Set permission
            </Button>
          }
        >
          <Table rows={all} columns={columns} rowKey={(one) => `${one.user}\u0000${one.vhost}`} sort={{ id: "user", down: false }} empty={<Empty icon={KeyRound} title="Nobody may do anything yet" />} />
          {editing && <EditPermission now={editing === "new" ? undefined : editing} close={() => setEditing(null)} />}
        </Card>
      )}
    </Answer>
  );
}

function TopicPermissions() {
  const permissions = useApi<TopicPermission[]>("/api/topic-permissions");
  const [editing, setEditing] = useState<TopicPermission | "new" | null>(null);
  const confirm = useConfirm();
  const { change } = useChange();
  const columns = useMemo<Column<TopicPermission>[]>(() => {
    const clear = async (one: TopicPermission) => {
      const lost = `All topic permissions of ${one.user} in ${one.vhost} are cleared; then any routing key is allowed again.`;
      if (await confirm({ title: "Clear these topic permissions?", lost, action: "Clear" })) await change({ method: "DELETE", path: path("topic-permissions", one.vhost, one.user), done: "Cleared." });
    };
    return [
      { id: "user", title: "User", width: "minmax(120px, 1fr)", wide: true, by: (one) => one.user, cell: (one) => <span className="name">{one.user}</span> },
      { id: "vhost", title: "Virtual host", width: "minmax(100px, 1fr)", by: (one) => one.vhost, cell: (one) => <span className="cut">{one.vhost}</span> },
      { id: "exchange", title: "Exchange", width: "minmax(120px, 1fr)", by: (one) => one.exchange, cell: (one) => one.exchange },
      { id: "write", title: "Write", width: "minmax(120px, 1fr)", cell: (one) => <Pattern of={one.write} /> },
      { id: "read", title: "Read", width: "minmax(120px, 1fr)", cell: (one) => <Pattern of={one.read} /> },
      {
        id: "do",
        title: "",
        width: "84px",
        end: true,
        cell: (one) => (
          <span className="marks">
            <IconButton icon={Pencil} name="Change" onClick={() => setEditing(one)} />
            <IconButton icon={Trash2} name="Clear" onClick={() => void clear(one)} />
          </span>
        ),
      },
    ];
  }, [change, confirm]);
  return (
    <Answer of={permissions} what="topic permissions">
      {(all) => (
        <Card
          bare
          title="Topic permissions"
          note="patterns of the routing keys on topic exchanges"
          actions={
            <Button small icon={Plus} onClick={() => setEditing("new")}>
              Set topic permission
            </Button>
          }
        >
          <Table
            rows={all}
            columns={columns}
            rowKey={(one) => `${one.user}\u0000${one.vhost}\u0000${one.exchange}`}
            sort={{ id: "user", down: false }}
            empty={
              <Empty icon={KeyRound} title="No topic permissions">
                <p>Where a user has none for an exchange, any routing key is allowed.</p>
              </Empty>
            }
          />
          {editing && <EditTopicPermission now={editing === "new" ? undefined : editing} close={() => setEditing(null)} />}
        </Card>
      )}
    </Answer>
  );
}
