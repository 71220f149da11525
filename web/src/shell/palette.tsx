// Search: pages by their names, queues and exchanges as the server finds them, messages by number.

import { GitFork, Layers, Route, type LucideIcon } from "lucide-react";
import { useDeferredValue, useEffect, useRef, useState, type KeyboardEvent } from "react";
import { useNavigate } from "react-router";
import type { Exchange, Paged, Queue } from "../api/shapes";
import { useApi } from "../api/use";
import { many } from "../words/numbers";
import { exchangeName, link } from "../words/names";
import { PLACES } from "./places";

interface Hit {
  id: string;
  title: string;
  kind: string;
  icon: LucideIcon;
  to: string;
}

export function Palette({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);
  const hits = useHits(useDeferredValue(text.trim()));
  const chosen = Math.min(at, hits.length - 1);
  const go = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    void navigate(hit.to);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, hits.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
    else if (event.key === "Enter") go(hits[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} className="dialog palette" aria-label="Search" onClose={close} onClick={(event) => event.target === dialog.current && close()}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls="hits"
        aria-activedescendant={hits[chosen] ? `hit-${chosen}` : undefined}
        placeholder="Queue, exchange, page or number of a message"
        value={text}
        spellCheck={false}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
      />
      <ul id="hits" role="listbox">
        {hits.map((hit, place) => (
          <li key={hit.id} id={`hit-${place}`} role="option" aria-selected={place === chosen} onMouseMove={() => setAt(place)} onClick={() => go(hit)}>
            <hit.icon />
            <span className="cut">{hit.title}</span>
            <span className="kind">{hit.kind}</span>
          </li>
        ))}
        {hits.length === 0 && <li className="faint">Nothing has “{text}” in its name.</li>}
      </ul>
    </dialog>
  );
}

function useHits(text: string): Hit[] {
  const query = `page=1&page_size=8&name=${encodeURIComponent(text)}`;
  const asked = { enabled: text !== "", every: 0 };
  const queues = useApi<Paged<Queue>>(`/api/queues?${query}&columns=name,vhost,messages`, asked);
  const exchanges = useApi<Paged<Exchange>>(`/api/exchanges?${query}&columns=name,vhost,type`, asked);
  const wanted = text.toLowerCase();
  const pages = PLACES.filter(({ title }) => title.toLowerCase().includes(wanted)).map(
    (place): Hit => ({ id: place.path, title: place.title, kind: `page · g ${place.key}`, icon: place.icon, to: place.path }),
  );
  if (text === "") return pages;
  const number: Hit[] = /^\d+$/.test(text)
    ? [{ id: "message", title: `Message ${text}`, kind: "journey", icon: Route, to: link("/message", { id: text }) }]
    : [];
  const found = (queues.data?.items ?? []).map(
    (queue): Hit => ({
      id: `queue ${queue.vhost} ${queue.name}`,
      title: queue.name,
      kind: `queue in ${queue.vhost} · ${many(queue.messages, "message")}`,
      icon: Layers,
      to: link("/queue", { vhost: queue.vhost, name: queue.name }),
    }),
  );
  const routes = (exchanges.data?.items ?? []).map(
    (exchange): Hit => ({
      id: `exchange ${exchange.vhost} ${exchange.name}`,
      title: exchangeName(exchange.name),
      kind: `${exchange.type} exchange in ${exchange.vhost}`,
      icon: GitFork,
      to: link("/exchanges", { vhost: exchange.vhost, name: exchange.name }),
    }),
  );
  return [...number, ...pages, ...found, ...routes];
}
