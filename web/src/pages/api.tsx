// The HTTP API: everything that these pages and any tool can ask for, drawn from the document that the server makes of it.

import { ChevronRight, Download, SearchX } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { useSession } from "../api/session";
import { useApi } from "../api/use";
import { Filter, Input } from "../parts/fields";
import { Answer, Card, Code, Empty, Page, useInAddress } from "../parts/frame";
import { Badge, type Tone } from "../parts/show";
import { many } from "../words/numbers";
import { curl, grouped, matching, operations, type Answer as Told, type Document, type Named, type Operation } from "../words/openapi";

const DOCUMENT = "/api/landfall/openapi.json";
const tones: Record<string, Tone> = { GET: "accent", PUT: "good", POST: "violet", DELETE: "bad" };

export default function Api() {
  const told = useApi<Document>(DOCUMENT, { every: 0 });
  return (
    <Page
      title="API"
      about="RabbitMQ's HTTP API, and what only this server has below /api/landfall/."
      actions={
        <a className="button plain" href={DOCUMENT} download="landfall-openapi.json">
          <Download />
          OpenAPI 3.1
        </a>
      }
    >
      <Answer of={told} what="its API">
        {(document) => <List document={document} />}
      </Answer>
    </Page>
  );
}

function List({ document }: { document: Document }) {
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useInAddress("of");
  const all = useMemo(() => operations(document), [document]);
  const wanted = useDeferredValue(filter);
  const groups = useMemo(() => grouped(matching(all, wanted)), [all, wanted]);
  return (
    <div className="stack">
      <div className="tools flush">
        <Filter value={filter} change={setFilter} hint="Filter by method, path, purpose" />
        <span className="faint">{many(all.length, "request")}</span>
      </div>
      {groups.length === 0 && <Empty icon={SearchX} title="Nothing of the API is like that" />}
      {groups.map(([group, of]) => (
        <Card key={group} bare title={group} note={String(of.length)}>
          {of.map((one) => (
            <section key={one.id} className="request">
              <button type="button" aria-expanded={one.id === open} onClick={() => setOpen(one.id === open ? "" : one.id)}>
                <ChevronRight />
                <span className="method">
                  <Badge tone={tones[one.method] ?? "plain"}>{one.method}</Badge>
                </span>
                <code>{one.path}</code>
                <span className="muted">{one.does}</span>
              </button>
              {one.id === open && <Whole one={one} />}
            </section>
          ))}
        </Card>
      ))}
    </div>
  );
}

function Whole({ one }: { one: Operation }) {
  const { name } = useSession();
  const [names, setNames] = useState<Record<string, string>>({ vhost: "/" });
  return (
    <div className="whole">
      <p>
        <span className="faint">Who may: </span>
        {one.who}
      </p>
      {one.parts.length > 0 && (
        <div className="parts">
          {one.parts.map((part) => (
            <label key={part.name} className="field">
              <span className="label">{part.name}</span>
              <Input value={names[part.name] ?? ""} change={(value) => setNames((before) => ({ ...before, [part.name]: value }))} placeholder={part.does} />
            </label>
          ))}
        </div>
      )}
      <Keys title="Query" of={one.query} />
      {one.body && (
        <>
          <Keys title="Body" of={one.body.keys} />
          <h3>Example</h3>
          <Code>{JSON.stringify(one.body.example, null, 2)}</Code>
        </>
      )}
      {one.done.map((answer) => (
        <Answered key={answer.code} answer={answer} />
      ))}
      <p className="faint">
        Refused with{" "}
        {one.refused.map(({ code, what }, at) => (
          <span key={code} title={what}>
            {at > 0 && ", "}
            {code}
          </span>
        ))}
      </p>
      <h3>In a terminal</h3>
      <Code>{curl(one, window.location.origin, name, names)}</Code>
    </div>
  );
}

function Answered({ answer: { code, what, kind, keys } }: { answer: Told }) {
  return keys.length > 0 ? (
    <Keys title={`${code}: ${kind}`} of={keys} />
  ) : (
    <p>
      <b>{code}</b> <span className="muted">{kind || what}</span>
    </p>
  );
}

/** Keys with what they are, and what they are for. */
function Keys({ title, of }: { title: string; of: Named[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <table className="keys">
        <thead>
          <tr>
            <th>Name</th>
            <th>What</th>
            <th>For</th>
          </tr>
        </thead>
        <tbody>
          {of.map((key) => (
            <tr key={key.name}>
              <td>
                <code>{key.name}</code>
                {key.needed && (
                  <span className="faint" title="needed, or always there">
                    {" "}
                    *
                  </span>
                )}
              </td>
              <td className="muted">{key.kind}</td>
              <td>{key.does}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
