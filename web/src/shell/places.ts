// Every page that the navigation leads to, with the keys that lead there too.

import {
  Activity,
  ArrowLeftRight,
  Braces,
  Cable,
  CalendarClock,
  ClipboardList,
  FileJson,
  GitFork,
  Layers,
  MailWarning,
  Network,
  Radio,
  Route,
  Scale,
  Send,
  Server,
  Settings,
  SlidersHorizontal,
  Users,
  type LucideIcon,
} from "lucide-react";
import { lazy, type ComponentType } from "react";

export interface Place {
  path: string;
  title: string;
  icon: LucideIcon;
  /** Pressed after `g`. */
  key: string;
  page: ComponentType;
}

const pages = {
  Overview: lazy(() => import("../pages/overview")),
  Queues: lazy(() => import("../pages/queues")),
  Message: lazy(() => import("../pages/message")),
  Dead: lazy(() => import("../pages/dead")),
  Delayed: lazy(() => import("../pages/delayed")),
  Connections: lazy(() => import("../pages/connections")),
  Channels: lazy(() => import("../pages/channels")),
  Consumers: lazy(() => import("../pages/consumers")),
  Exchanges: lazy(() => import("../pages/exchanges")),
  Publish: lazy(() => import("../pages/publish")),
  Users: lazy(() => import("../pages/users")),
  Vhosts: lazy(() => import("../pages/vhosts")),
  Policies: lazy(() => import("../pages/policies")),
  Definitions: lazy(() => import("../pages/definitions")),
  Cluster: lazy(() => import("../pages/cluster")),
  Audit: lazy(() => import("../pages/audit")),
  Api: lazy(() => import("../pages/api")),
  Operations: lazy(() => import("../pages/operations")),
  Settings: lazy(() => import("../pages/settings")),
};

export const GROUPS: { title: string; places: Place[] }[] = [
  {
    title: "",
    places: [{ path: "/", title: "Overview", icon: Activity, key: "o", page: pages.Overview }],
  },
  {
    title: "Messages",
    places: [
      { path: "/queues", title: "Queues", icon: Layers, key: "q", page: pages.Queues },
      { path: "/message", title: "Message", icon: Route, key: "m", page: pages.Message },
      { path: "/dead", title: "Dead & parked", icon: MailWarning, key: "d", page: pages.Dead },
      { path: "/delayed", title: "Delayed", icon: CalendarClock, key: "l", page: pages.Delayed },
      { path: "/publish", title: "Publish & receive", icon: Send, key: "p", page: pages.Publish },
    ],
  },
  {
    title: "Traffic",
    places: [
      { path: "/connections", title: "Connections", icon: Cable, key: "c", page: pages.Connections },
      { path: "/channels", title: "Channels", icon: ArrowLeftRight, key: "h", page: pages.Channels },
      { path: "/consumers", title: "Consumers", icon: Radio, key: "r", page: pages.Consumers },
      { path: "/exchanges", title: "Exchanges", icon: GitFork, key: "e", page: pages.Exchanges },
    ],
  },
  {
    title: "Administration",
    places: [
      { path: "/users", title: "Users", icon: Users, key: "u", page: pages.Users },
      { path: "/vhosts", title: "Virtual hosts", icon: Server, key: "v", page: pages.Vhosts },
      { path: "/policies", title: "Policies", icon: SlidersHorizontal, key: "y", page: pages.Policies },
      { path: "/definitions", title: "Definitions", icon: FileJson, key: "f", page: pages.Definitions },
    ],
  },
  {
    title: "Server",
    places: [
      { path: "/cluster", title: "Cluster", icon: Network, key: "n", page: pages.Cluster },
      { path: "/audit", title: "Audit", icon: Scale, key: "a", page: pages.Audit },
      { path: "/operations", title: "Operations", icon: ClipboardList, key: "t", page: pages.Operations },
      { path: "/reference", title: "API", icon: Braces, key: "i", page: pages.Api },
      { path: "/settings", title: "Settings", icon: Settings, key: "s", page: pages.Settings },
    ],
  },
];

export const PLACES: Place[] = GROUPS.flatMap((group) => group.places);

/** A page that is reached from others only. */
export const Queue = lazy(() => import("../pages/queue"));

