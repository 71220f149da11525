// The whole: what every page stands on, who is logged in, and which page an address means.

import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Provider as TipProvider } from "@radix-ui/react-tooltip";
import { BrowserRouter } from "react-router";
import { Refused } from "./api/request";
import { SESSION, SessionProvider, useSessionQuery } from "./api/session";
import { LiveProvider } from "./api/live";
import { Login } from "./pages/login";
import { ConfirmProvider } from "./parts/dialogs";
import { SettingsProvider } from "./parts/settings";
import { ToastProvider } from "./parts/toasts";
import { Shell } from "./shell/shell";

/** A session that is over: the login takes the place of the page. */
const over = (error: unknown) => {
  if (error instanceof Refused && error.loggedOut) client.setQueryData(SESSION, null);
};

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: over }),
  mutationCache: new MutationCache({ onError: over }),
  defaultOptions: {
    queries: {
      // A refusal does not change by asking twice; a server that is silent may come back.
      retry: (times, error) => error instanceof Refused && (error.status === 0 || error.status === 503) && times < 2,
      staleTime: 1000,
      refetchOnWindowFocus: true,
    },
  },
});

export function App() {
  return (
    <SettingsProvider>
      <QueryClientProvider client={client}>
        <TipProvider delayDuration={250}>
          <ToastProvider>
            <ConfirmProvider>
              <BrowserRouter>
                <Inside />
              </BrowserRouter>
            </ConfirmProvider>
          </ToastProvider>
        </TipProvider>
      </QueryClientProvider>
    </SettingsProvider>
  );
}

function Inside() {
  const session = useSessionQuery();
  if (session.isPending) return null;
  if (!session.data) return <Login trouble={session.error?.message} />;
  return (
    <SessionProvider value={session.data}>
      <LiveProvider>
        <Shell />
      </LiveProvider>
    </SessionProvider>
  );
}
