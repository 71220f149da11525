// Short words about what has just been done, or was refused.

import { CircleAlert, CircleCheck } from "lucide-react";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

type Tone = "good" | "bad";
interface Toast {
  id: number;
  text: string;
  tone: Tone;
}

const ToastContext = createContext<(text: string, tone: Tone) => void>(() => undefined);
export const useToast = () => useContext(ToastContext);

let last = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const say = useCallback((text: string, tone: Tone) => {
    last += 1;
    const id = last;
    setToasts((all) => [...all.slice(-3), { id, text, tone }]);
    // What went wrong is read twice.
    window.setTimeout(() => setToasts((all) => all.filter((toast) => toast.id !== id)), tone === "good" ? 4000 : 9000);
  }, []);
  return (
    <ToastContext value={say}>
      {children}
      <div className="toasts" role="status">
        {toasts.map((toast) => (
          <div key={toast.id} className="toast">
            {toast.tone === "good" ? <CircleCheck className="tone-good" /> : <CircleAlert className="tone-bad" />}
            <span>{toast.text}</span>
          </div>
        ))}
      </div>
    </ToastContext>
  );
}
