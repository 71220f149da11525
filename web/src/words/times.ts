// Times and how long things take, as people say it.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** 350 ms, 4.2 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h: at most two units. */
export function span(ms: number): string {
  if (ms < 0) return `-${span(-ms)}`;
  if (ms < 10) return `${ms.toFixed(1).replace(/\.0$/, "")} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1).replace(/\.0$/, "")} s`;
  const units: [number, string][] = [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
    [SECOND, "s"],
  ];
  const first = units.findIndex(([size]) => ms >= size);
  const [size, unit] = units[first] ?? [SECOND, "s"];
  const next = units[first + 1];
  const rest = next ? Math.floor((ms % size) / next[0]) : 0;
  const whole = Math.floor(ms / size);
  return next && rest > 0 && whole < 100 ? `${whole} ${unit} ${rest} ${next[1]}` : `${whole} ${unit}`;
}

/** "3 min ago", "in 2 h", "now". */
export function relative(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 2 * SECOND) return "now";
  const about = coarse(Math.abs(distance));
  return distance < 0 ? `${about} ago` : `in ${about}`;
}

/** One unit is enough for how long ago. */
function coarse(ms: number): string {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

const two = (value: number) => String(value).padStart(2, "0");

/** 2026-11-24 02:10:31.402, in the time zone of the reader. */
export function exact(at: number): string {
  const date = new Date(at);
  return `${day(at)} ${clock(at)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** 2026-11-24 */
export function day(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** 02:10:31 */
export function clock(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
