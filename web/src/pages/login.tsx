// The login.

import { useEffect, useState, type FormEvent } from "react";
import { useLogin, useTakesTokens } from "../api/session";
import mark from "../mark.svg";
import { Button } from "../parts/buttons";
import { Field, Input } from "../parts/fields";
import { Notice } from "../parts/frame";

export function Login({ trouble }: { trouble?: string | undefined }) {
  const { login } = useLogin();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [byToken, setByToken] = useState(false);
  const takesTokens = useTakesTokens();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string | undefined>(trouble);
  useEffect(() => {
    document.title = "Log in · Landfall";
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await login(byToken ? "" : username, password);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <main className="login">
      <form onSubmit={(event) => void submit(event)}>
        <div className="brand">
          <img src={mark} alt="" />
          Landfall
        </div>
        <p>Log in as a user of this server who has a tag, such as management or administrator.</p>
        {refused && (
          <Notice tone="bad" what={refused === "Login failed" ? byToken ? "That token is not right, or it has ended." : "That user or password is not right." : refused} />
        )}
        {!byToken && (
          <Field label="User">
            <Input value={username} change={setUsername} name="username" autoComplete="username" autoFocus required />
          </Field>
        )}
        <Field label={byToken ? "Token" : "Password"}>
          <Input
            value={password}
            change={setPassword}
            name={byToken ? "token" : "password"}
            type="password"
            autoComplete={byToken ? "off" : "current-password"}
            required={byToken}
          />
        </Field>
        <Button kind="primary" type="submit" disabled={busy}>
          {busy ? "Logging in …" : "Log in"}
        </Button>
        {takesTokens && (
          <Button
            type="button"
            onClick={() => {
              setByToken(!byToken);
              setPassword("");
            }}
          >
            {byToken ? "Log in with a password" : "Log in with a token"}
          </Button>
        )}
      </form>
    </main>
  );
}
