// A user, new or changed.

import { useState } from "react";
import type { User } from "../../api/shapes";
import { useChange } from "../../api/use";
import { Dialog } from "../../parts/dialogs";
import { Check, Field, Input } from "../../parts/fields";
import { path } from "../../words/names";

const TAGS: [string, string][] = [
  ["administrator", "may everything"],
  ["monitoring", "sees all of the server and changes nothing of it"],
  ["policymaker", "makes policies where it has a permission"],
  ["management", "sees these pages where it has a permission"],
];

export function EditUser({ user, close }: { user: User | undefined; close: () => void }) {
  const { change } = useChange();
  const [name, setName] = useState(user?.name ?? "");
  const [password, setPassword] = useState("");
  const [tags, setTags] = useState<string[]>(user?.tags ?? []);
  // The old hash stays where no new password is given.
  const kept = user && password === "" ? { password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm } : { password };
  const act = () => change({ method: "PUT", path: path("users", name), body: { ...kept, tags }, done: `${name} is saved.` });
  return (
    <Dialog title={user ? `Change ${user.name}` : "New user"} close={close} action="Save" act={act} disabled={name === "" || (!user && password === "")}>
      {!user && (
        <Field label="Name">
          <Input value={name} change={setName} required />
        </Field>
      )}
      <Field label="Password" hint={user ? "Left empty it stays as it is." : undefined}>
        <Input value={password} change={setPassword} type="password" autoComplete="new-password" />
      </Field>
      {TAGS.map(([tag, may]) => (
        <Check key={tag} value={tags.includes(tag)} change={(on) => setTags(on ? [...tags, tag] : tags.filter((one) => one !== tag))}>
          <span>
            {tag} <span className="faint">{may}</span>
          </span>
        </Check>
      ))}
    </Dialog>
  );
}
