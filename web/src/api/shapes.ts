// What the API answers: RabbitMQ's shapes, and Landfall's own below /api/landfall/.

export type Arguments = Record<string, unknown>;

export interface Rate {
  rate: number;
}

export interface Paged<T> {
  items: T[];
  page: number;
  page_count: number;
  page_size: number;
  total_count: number;
  filtered_count: number;
}

export interface Session {
  name: string;
  tags: string[];
  csrf: string;
}

export interface MessageStats {
  publish_details?: Rate;
  confirm_details?: Rate;
  deliver_get_details?: Rate;
  deliver_details?: Rate;
  ack_details?: Rate;
  redeliver_details?: Rate;
}

export interface Overview {
  cluster_name: string;
  rabbitmq_version: string;
  landfall_version: string;
  node: string;
  exchange_types: { name: string; description: string }[];
  object_totals: {
    queues: number;
    exchanges: number;
    connections?: number;
    channels?: number;
    consumers?: number;
  };
  queue_totals?: { messages?: number; messages_ready?: number; messages_unacknowledged?: number };
  message_stats?: MessageStats;
}

export interface Queue {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  exclusive: boolean;
  arguments: Arguments;
  state?: string;
  consumers: number;
  messages: number;
  messages_ready: number;
  messages_unacknowledged: number;
  messages_delayed: number;
  messages_parked: number;
  messages_leaving: number;
  message_stats?: MessageStats;
  policy?: string | null;
  operator_policy?: string | null;
  rules?: Arguments;
  deduplication?: { remembered: number; duplicates: number };
  oldest?: { position: number; accepted: number } | null;
}

export type State = "ready" | "unacked" | "delayed" | "parked" | "leaving";

export interface Properties {
  message_id?: string;
  content_type?: string;
  headers?: Arguments;
  [key: string]: unknown;
}

export interface Message {
  position: number;
  state: State;
  priority: number;
  failed: number;
  lost: number;
  redelivered: boolean;
  accepted: number;
  exchange: string;
  routing_key: string;
  properties: Properties;
  payload_bytes: number;
  payload?: string;
  payload_encoding?: "string" | "base64";
  payload_truncated?: boolean;
  holder?: {
    connection: number;
    user: string;
    channel: number;
    consumer_tag: string | null;
    delivery_tag: number;
    due: number | null;
  };
  due?: number;
  why?: string;
  parked?: number;
  vhost?: string;
  queue?: string;
}

export interface Messages {
  messages: Message[];
  next: string | null;
}

/** Which messages a command means. */
export interface Chosen {
  positions?: number[];
  filter?: Record<string, unknown>;
  all?: boolean;
  state?: string;
  limit?: number;
  after?: string;
}

export interface Done {
  done: number;
  looked_at: number;
  stayed: number;
  stayed_because: { position: number; why: string }[];
  next: string | null;
}

export interface Client {
  user: string;
  connection: number;
  address: string;
  channel: number;
}

export interface Step {
  at: number;
  event: string;
  vhost?: string;
  queue?: string;
  exchange?: string;
  routing_key?: string;
  queues?: string[];
  publisher?: string;
  publishing_id?: number;
  by?: Client;
  message_id?: string;
  message?: number;
  for?: string;
  reason?: string | null;
  attempt?: number;
  to?: Client;
  consumer_tag?: string | null;
  outcome?: string;
  due?: number;
  ending?: string;
}

export interface Journey {
  message: number;
  steps: Step[];
  now: Message[] | null;
}

export interface Account {
  vhost: string;
  name: string;
  in: number;
  acknowledged: number;
  expired: number;
  dead_lettered: number;
  dropped: number;
  redriven: number;
  here: number;
  landing: number;
  ready: number;
  unacked: number;
  delayed: number;
  parked: number;
  leaving: number;
  ending: number;
  surplus: number;
}

export interface Audit {
  balanced: boolean;
  total: Partial<Account>;
  queues: Account[];
}

/** A request of an operator, and how it was answered. */
export interface Operation {
  at: number;
  time: string;
  user: string;
  address: string;
  method: "GET" | "PUT" | "POST" | "DELETE";
  path: string;
  status: number;
}

export interface Operations {
  node: string;
  operations: Operation[];
  unwritten: number;
}

export interface Exchange {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  internal: boolean;
  arguments: Arguments;
  message_stats?: { publish_in_details?: Rate; publish_out_details?: Rate };
}

export interface Binding {
  source: string;
  vhost: string;
  destination: string;
  destination_type: "queue" | "exchange";
  routing_key: string;
  arguments: Arguments;
  properties_key?: string;
}

export interface Connection {
  name: string;
  user: string;
  vhost: string;
  state: string;
  protocol?: string;
  peer_host?: string;
  peer_port?: number;
  host?: string;
  port?: number;
  channels: number;
  connected_at?: number;
  ssl?: boolean;
  timeout?: number;
  frame_max?: number;
  recv_oct?: number;
  send_oct?: number;
  recv_oct_details?: Rate;
  send_oct_details?: Rate;
  client_properties?: Arguments;
}

export interface Channel {
  name: string;
  number: number;
  user: string;
  vhost: string;
  state?: string;
  confirm?: boolean;
  transactional?: boolean;
  prefetch_count?: number;
  global_prefetch_count?: number;
  messages_unacknowledged?: number;
  messages_unconfirmed?: number;
  consumer_count?: number;
  connection_details?: { name: string };
  message_stats?: MessageStats;
}

export interface Consumer {
  consumer_tag: string;
  queue: { name: string; vhost: string };
  channel_details?: { name?: string; connection_name?: string; number?: number; user?: string };
  ack_required?: boolean;
  exclusive?: boolean;
  prefetch_count?: number;
  active?: boolean;
  activity_status?: string;
  arguments?: Arguments;
  landfall_waiting_for?: string | null;
}

export interface User {
  name: string;
  tags: string[];
  password_hash?: string;
  hashing_algorithm?: string;
  limits?: Record<string, number>;
}

export interface Permission {
  user: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

export interface TopicPermission {
  user: string;
  vhost: string;
  exchange: string;
  write: string;
  read: string;
}

export interface Vhost {
  name: string;
  description: string;
  tags: string[];
  default_queue_type?: string;
}

export interface Policy {
  vhost: string;
  name: string;
  pattern: string;
  "apply-to": string;
  priority: number;
  definition: Arguments;
}

export interface Limits {
  vhost?: string;
  user?: string;
  value: Record<string, number>;
}

export interface Node {
  name: string;
  running: boolean;
  uptime?: number;
  os_pid?: string;
  processors?: number;
  fd_used?: number;
  fd_total?: number;
  mem_used?: number;
  mem_limit?: number;
  mem_alarm?: boolean;
  disk_free?: number;
  disk_free_limit?: number;
  disk_free_alarm?: boolean;
  being_drained?: boolean;
  applications?: { name: string; version: string }[];
}

export interface Cluster {
  node: string;
  serving: boolean;
  attention: string[];
  controller: string | null;
  members: {
    node: string;
    run: number;
    since: number;
    state: string;
    amqp: string;
    inner: string;
    admin: string;
    program: string;
    format: number;
    protocol: number;
  }[];
  shards: {
    shard: number;
    database: number;
    state: string;
    owner: string | null;
    epoch: number;
    taken_by: string | null;
    taken_epoch: number | null;
  }[];
  requests: { request: string; node?: string }[];
  zookeeper: { hosts: string[]; state: string; silent_seconds: number | null; lease_ms: number | null };
  databases: {
    hosts: string[];
    state: string;
    reason?: string;
    primary?: string | null;
    version?: string;
    standbys?: { name: string; address: string | null; state: string; sync: string; lag_ms: number | null }[];
    objections?: string[];
  }[];
}

export interface Alarm {
  what: string;
  since?: number;
  do?: string;
}

/** One second of the whole server. */
export interface Sample {
  at: number;
  totals: { ready: number; unacked: number; delayed: number; parked: number };
  rates: { publish: number; confirm: number; deliver: number; ack: number; redeliver: number };
  latency: {
    confirm_p50_ms?: number | null;
    confirm_p99_ms?: number | null;
    sync_p50_ms?: number | null;
    sync_p99_ms?: number | null;
  };
  memory?: number;
  disk_free?: number;
  connections: number;
  channels: number;
  consumers: number;
  queues: number;
  alarms: Alarm[];
}
