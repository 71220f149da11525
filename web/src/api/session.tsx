// Who is logged in.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { Refused, request, SESSION_PATH, setCsrf } from "./request";
import type { Session } from "./shapes";

export const SESSION = [SESSION_PATH];

/** The session of this browser; null where there is none. */
export function useSessionQuery() {
  return useQuery<Session | null, Refused>({
    queryKey: SESSION,
    queryFn: async () => {
      try {
        return remember(await request<Session>("GET", SESSION_PATH));
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: Infinity,
  });
}

function remember(session: Session): Session {
  setCsrf(session.csrf);
  return session;
}

/** Whether the server takes tokens of OAuth 2 instead of passwords. */
export function useTakesTokens(): boolean {
  const asked = useQuery<{ oauth_enabled: boolean }, Refused>({
    queryKey: ["/api/auth"],
    queryFn: () => request<{ oauth_enabled: boolean }>("GET", "/api/auth"),
    staleTime: Infinity,
  });
  return asked.data?.oauth_enabled ?? false;
}

/** Logs in and out. */
export function useLogin() {
  const client = useQueryClient();
  return {
    login: async (username: string, password: string) => {
      const session = await request<Session>("POST", SESSION_PATH, { username, password });
      client.setQueryData(SESSION, remember(session));
    },
    logout: async () => {
      await request("DELETE", SESSION_PATH).catch(() => undefined);
      client.setQueryData(SESSION, null);
      // What the next user may not see is not kept.
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION[0] });
    },
  };
}

const SessionContext = createContext<Session>({ name: "", tags: [], csrf: "" });
export const SessionProvider = SessionContext.Provider;

/** The user that looks at the page. */
export function useSession(): Session & { may: (tag: string) => boolean } {
  const session = useContext(SessionContext);
  const may = (tag: string) => session.tags.includes("administrator") || session.tags.includes(tag);
  return { ...session, may };
}
