// The keyboard: `/` to search, `g` and a letter to go somewhere, `?` for the list.

import { X } from "lucide-react";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { IconButton } from "../parts/buttons";
import { PLACES } from "./places";

/** After `g` the letter has so long to come. */
const PAUSE = 1500;

interface Does {
  search: () => void;
  help: () => void;
}

/** Whether a key is meant for what has the focus. */
function isTyping(target: EventTarget | null): boolean {
  const element = target instanceof HTMLElement ? target : null;
  return element?.closest("input, textarea, select, dialog, [role='menu']") != null;
}

export function useKeys({ search, help }: Does): void {
  const navigate = useNavigate();
  const does = useRef({ search, help });
  does.current = { search, help };
  useEffect(() => {
    let going = 0;
    const pressed = (event: KeyboardEvent) => {
      const command = (event.ctrlKey || event.metaKey) && event.key === "k";
      if (!command && (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))) return;
      const place = Date.now() - going < PAUSE ? PLACES.find(({ key }) => key === event.key) : undefined;
      going = 0;
      if (place) void navigate(place.path);
      else if (event.key === "g") going = Date.now();
      else if (event.key === "/" || command) does.current.search();
      else if (event.key === "?") does.current.help();
      else if (event.key === "f") document.querySelector<HTMLInputElement>("[data-filter]")?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [navigate]);
}

export function Keys({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="dialog" aria-label="Keys" onClose={close}>
      <div className="inside">
        <header>
          <h2>Keys</h2>
          <IconButton icon={X} name="Close" inDialog onClick={close} />
        </header>
        <div className="content">
          <div className="keys">
            <kbd>/</kbd> search for queues, exchanges and pages
            <kbd>f</kbd> filter the list on this page
            <kbd>?</kbd> this list
            <kbd>Esc</kbd> close what is open
          </div>
          <h3>Go to</h3>
          <div className="keys columns-2">
            {PLACES.map(({ key, title }) => (
              <span key={key}>
                <kbd>g</kbd> <kbd>{key}</kbd> {title}
              </span>
            ))}
          </div>
        </div>
      </div>
    </dialog>
  );
}
