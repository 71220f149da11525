// Numbers as people read them, with their units.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 1,234,567 */
export function count(value: number): string {
  return whole.format(value);
}

/** 1.2M: where there is little room. */
export function compact(value: number): string {
  return value < 10_000 ? whole.format(value) : short.format(value);
}

/** "1 message", "2 messages", "2 queues". */
export function many(value: number, one: string, several = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : several}`;
}

/** 0, 0.4, 12, 1,234, 12.3K: what happens in a second. */
export function rate(value: number): string {
  if (value === 0) return "0";
  if (value < 0.1) return "< 0.1";
  return value < 10 ? value.toFixed(1).replace(/\.0$/, "") : compact(Math.round(value));
}

const steps = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 512 B, 1.5 KiB, 20 MiB */
export function bytes(value: number): string {
  let rest = value;
  let step = 0;
  while (rest >= 1024 && step < steps.length - 1) {
    rest /= 1024;
    step += 1;
  }
  const digits = step === 0 || rest >= 100 ? 0 : 1;
  return `${rest.toFixed(digits).replace(/\.0$/, "")} ${steps[step]}`;
}
