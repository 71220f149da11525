// Definitions: everything but the messages, as a document, out and in.

import { Download, Upload } from "lucide-react";
import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { request } from "../api/request";
import { useSession } from "../api/session";
import type { Vhost } from "../api/shapes";
import { useApi } from "../api/use";
import { Button } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Field, Select, TextArea } from "../parts/fields";
import { Card, Facts, Notice, Page } from "../parts/frame";
import { useToast } from "../parts/toasts";
import { look } from "../words/definitions";
import { count, many } from "../words/numbers";
import { path } from "../words/names";
import { day } from "../words/times";

export default function Definitions() {
  const { may } = useSession();
  const vhosts = useApi<Vhost[]>("/api/vhosts?columns=name", { every: 0 });
  const names = (vhosts.data ?? []).map((one) => one.name);
  return (
    <Page title="Definitions" about="Users, virtual hosts, permissions, policies, queues, exchanges and bindings as one document, as RabbitMQ exports and imports it. Messages are not in it.">
      {may("administrator") ? (
        <div className="columns">
          <Export vhosts={names} />
          <Import vhosts={names} />
        </div>
      ) : (
        <Notice what="Only an administrator exports and imports definitions." />
      )}
    </Page>
  );
}

const everything: [string, string] = ["", "Everything"];
const placeOf = (vhost: string) => (vhost === "" ? "/api/definitions" : path("definitions", vhost));

function Export({ vhosts }: { vhosts: string[] }) {
  const toast = useToast();
  const [vhost, setVhost] = useState("");
  const save = async () => {
    try {
      const document_ = await request<object>("GET", placeOf(vhost));
      const url = URL.createObjectURL(new Blob([JSON.stringify(document_, null, 2)], { type: "application/json" }));
      const anchor = document.createElement("a");
      anchor.href = url;
      anchor.download = `landfall-definitions-${day(Date.now())}.json`;
      anchor.click();
      URL.revokeObjectURL(url);
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), "bad");
    }
  };
  return (
    <Card title="Export">
      <div className="form">
        <Field label="What" hint="The hashes of passwords are in it, except in that of one virtual host.">
          <Select value={vhost} change={setVhost} of={[everything, ...vhosts.map((one): [string, string] => [one, `The virtual host ${one}`])]} />
        </Field>
        <div>
          <Button kind="primary" icon={Download} onClick={() => void save()}>
            Save as a file
          </Button>
        </div>
      </div>
    </Card>
  );
}

interface Imported {
  made: Record<string, number>;
  there_already: Record<string, number>;
  ignored: string[];
}

function Import({ vhosts }: { vhosts: string[] }) {
  const confirm = useConfirm();
  const client = useQueryClient();
  const [vhost, setVhost] = useState("");
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState<Imported | string | null>(null);
  const looked = text.trim() === "" ? undefined : look(text);
  const bring = async () => {
    const lost = "Users, permissions, policies and what is said of virtual hosts replace what is here under the same names. Queues, exchanges and bindings that are here stay as they are.";
    if (!(await confirm({ title: "Import these definitions?", lost, action: "Import" }))) return;
    try {
      setAnswer(await request<Imported>("POST", placeOf(vhost), JSON.parse(text)));
    } catch (error) {
      setAnswer(error instanceof Error ? error.message : String(error));
    }
    void client.invalidateQueries();
  };
  return (
    <Card title="Import">
      <div className="form">
        <Field label="A file">
          <input
            className="input file"
            type="file"
            accept=".json,application/json"
            onChange={(event) => {
              setAnswer(null);
              void event.target.files?.[0]?.text().then(setText);
            }}
          />
        </Field>
        <Field label="or its text">
          <TextArea value={text.length > 200_000 ? `${text.slice(0, 2000)}…` : text} change={setText} rows={8} readOnly={text.length > 200_000} placeholder='{"queues": […], …}' />
        </Field>
        <Field label="Into">
          <Select value={vhost} change={setVhost} of={[["", "The whole server"], ...vhosts.map((one): [string, string] => [one, `The virtual host ${one}`])]} />
        </Field>
        {typeof looked === "string" && (
          <Notice tone="bad" what="This cannot be imported.">
            {looked}
          </Notice>
        )}
        {looked && typeof looked !== "string" && (
          <div>
            <h3>In it{looked.from && `, from ${looked.from}`}</h3>
            <Facts of={looked.parts.map(([name, number]) => [name, count(number)])} />
          </div>
        )}
        {typeof answer === "string" && (
          <Notice tone="bad" what="It was not imported.">
            {answer}
          </Notice>
        )}
        {answer && typeof answer !== "string" && <Came answer={answer} />}
        <div>
          <Button kind="primary" icon={Upload} disabled={!looked || typeof looked === "string"} onClick={() => void bring()}>
            Import
          </Button>
        </div>
      </div>
    </Card>
  );
}

function Came({ answer }: { answer: Imported }) {
  const words = (numbers: Record<string, number>) =>
    Object.entries(numbers)
      .filter(([, number]) => number > 0)
      .map(([name, number]) => `${name.replaceAll("_", " ")} (${count(number)})`)
      .join(", ") || "nothing";
  return (
    <>
      <Notice tone="good" what={`Made: ${words(answer.made)}.`}>
        There already: {words(answer.there_already)}.
      </Notice>
      {answer.ignored.length > 0 && (
        <Notice tone="warn" what={`${many(answer.ignored.length, "thing was", "things were")} ignored.`}>
          {answer.ignored.slice(0, 50).map((line) => (
            <span key={line} className="ignored">
              {line}
            </span>
          ))}
        </Notice>
      )}
    </>
  );
}
