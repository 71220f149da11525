// Asking and changing from within a page.

import { useMutation, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useCallback } from "react";
import { Refused, request, type Method } from "./request";
import { useSettings } from "../parts/settings";
import { useToast } from "../parts/toasts";

interface Asked {
  /** Whether to ask at all. */
  enabled?: boolean;
  /** Milliseconds between two askings; without a word what the settings say, 0 for once. */
  every?: number;
}

/** What a path of the API answers, asked again and again while the page is looked at. */
export function useApi<T>(path: string, { enabled = true, every }: Asked = {}): UseQueryResult<T, Refused> {
  const { refresh } = useSettings();
  const interval = every ?? refresh;
  return useQuery<T, Refused>({
    queryKey: [path],
    queryFn: () => request<T>("GET", path),
    enabled,
    // What is not there does not come by asking often.
    refetchInterval: (query) => (interval === 0 || query.state.error?.missing ? false : interval),
  });
}

/** What is to be changed. */
export interface Change {
  method: Method;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** Said when it is done. */
  done: string;
}

/** Has changes made: says how it went, and asks anew for what is shown. */
export function useChange(): { change: (wanted: Change) => Promise<boolean>; pending: boolean } {
  const client = useQueryClient();
  const toast = useToast();
  const mutation = useMutation<unknown, Refused, Change>({
    mutationFn: (wanted) => request(wanted.method, wanted.path, wanted.body, wanted.headers),
  });
  const { mutateAsync } = mutation;
  const change = useCallback(async (wanted: Change) => {
    try {
      await mutateAsync(wanted);
      toast(wanted.done, "good");
      return true;
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), "bad");
      return false;
    } finally {
      void client.invalidateQueries();
    }
  }, [client, mutateAsync, toast]);
  return { change, pending: mutation.isPending };
}
