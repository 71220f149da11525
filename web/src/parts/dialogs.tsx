// Dialogs, and the question before anything is destroyed. The browser's own element keeps the focus inside, closes on
// Escape and makes the rest inert.

import { X } from "lucide-react";
import { createContext, useCallback, useContext, useEffect, useRef, useState, type FormEvent, type ReactNode } from "react";
import { Button, IconButton } from "./buttons";
import { Field, Input } from "./fields";

interface DialogProps {
  title: string;
  close: () => void;
  children: ReactNode;
  /** What the button says that does it. */
  action: string;
  act: () => Promise<boolean> | boolean;
  danger?: boolean;
  disabled?: boolean;
  wide?: boolean;
}

/** A form in a dialog: it closes when what it asked for is done. */
export function Dialog({ title, close, children, action, act, danger = false, disabled = false, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
    // Where there is nothing to fill in, what does no harm has the focus.
    const first = dialog.current?.querySelector<HTMLElement>(".content input, .content select, .content textarea");
    (first ?? dialog.current?.querySelector<HTMLElement>("footer button"))?.focus();
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const done = await act();
    setBusy(false);
    if (done) close();
  };
  return (
    <dialog ref={dialog} className={`dialog${wide ? " wide" : ""}`} aria-label={title} onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <header>
          <h2>{title}</h2>
          <IconButton icon={X} name="Close" inDialog onClick={close} />
        </header>
        <div className="content">{children}</div>
        <footer>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind={danger ? "danger" : "primary"} disabled={busy || disabled}>
            {action}
          </Button>
        </footer>
      </form>
    </dialog>
  );
}

interface Question {
  title: string;
  /** What will be lost, in words. */
  lost: ReactNode;
  action: string;
  /** What has to be typed first, where much is lost. */
  typed?: string;
  /** Whether nothing is lost: then the button is not red. */
  harmless?: boolean;
}

type Ask = (question: Question) => Promise<boolean>;
const ConfirmContext = createContext<Ask>(() => Promise.resolve(false));

/** Asks before something is destroyed; the answer is whether to go on. */
export const useConfirm = (): Ask => useContext(ConfirmContext);

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState<{ question: Question; answer: (yes: boolean) => void } | null>(null);
  const ask = useCallback<Ask>((question) => new Promise((answer) => setOpen({ question, answer })), []);
  const answer = (yes: boolean) => {
    open?.answer(yes);
    setOpen(null);
  };
  return (
    <ConfirmContext value={ask}>
      {children}
      {open && <Confirm question={open.question} answer={answer} />}
    </ConfirmContext>
  );
}

function Confirm({ question, answer }: { question: Question; answer: (yes: boolean) => void }) {
  const [typed, setTyped] = useState("");
  const agreed = useRef(false);
  const wanted = question.typed;
  return (
    <Dialog
      title={question.title}
      close={() => answer(agreed.current)}
      action={question.action}
      danger={!question.harmless}
      disabled={wanted !== undefined && typed !== wanted}
      act={() => {
        agreed.current = true;
        return true;
      }}
    >
      <div>{question.lost}</div>
      {wanted !== undefined && (
        <Field label={`Type ${wanted} to go on`}>
          <Input value={typed} change={setTyped} />
        </Field>
      )}
    </Dialog>
  );
}
