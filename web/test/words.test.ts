// Numbers and times as people read them.

import { describe, expect, test } from "vitest";
import { agenda, month } from "../src/words/calendar";
import { bytes, compact, many, rate } from "../src/words/numbers";
import { exchangeName, link, path } from "../src/words/names";
import { relative, span } from "../src/words/times";

describe("numbers", () => {
  test.each([
    [0, "0 B"],
    [512, "512 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [20 * 1024 ** 2, "20 MiB"],
    [123.4 * 1024 ** 3, "123 GiB"],
  ])("%d bytes are %s", (value, text) => expect(bytes(value)).toBe(text));

  test.each([
    [0, "0"],
    [0.04, "< 0.1"],
    [0.4, "0.4"],
    [9.96, "10"],
    [12, "12"],
    [12_345, "12.3K"],
  ])("%d a second are %s", (value, text) => expect(rate(value)).toBe(text));

  test("large counts are short, small ones exact", () => {
    expect([compact(9999), compact(10_000), compact(1_234_567)]).toEqual(["9,999", "10K", "1.2M"]);
    expect([many(1, "queue"), many(2, "queue"), many(0, "message is", "messages are")]).toEqual(["1 queue", "2 queues", "0 messages are"]);
  });
});

describe("times", () => {
  test.each([
    [0.25, "0.3 ms"],
    [350, "350 ms"],
    [4200, "4.2 s"],
    [12_000, "12 s"],
    [200_000, "3 min 20 s"],
    [3_600_000, "1 h"],
    [3_600_000 * 52, "2 d 4 h"],
    [-1500, "-1.5 s"],
  ])("%d ms are %s", (value, text) => expect(span(value)).toBe(text));

  test("relative to now", () => {
    const now = 1_796_000_000_000;
    expect([relative(now, now), relative(now - 185_000, now), relative(now + 7_200_000, now), relative(now - 86_400_000 * 3, now)]).toEqual([
      "now",
      "3 min ago",
      "in 2 h",
      "3 d ago",
    ]);
  });

  test("a month is whole weeks from Monday", () => {
    const days = month(2026, 11);
    expect([days.length, days[0], days.at(-1)]).toEqual([42, "2026-10-26", "2026-12-06"]);
    expect(month(2027, 2)).toHaveLength(28);
  });

  test("an agenda has a day for what is due on it", () => {
    const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime();
    const days = agenda([{ due: at(3, 1) }, { due: at(3, 23) }, { due: at(5, 0) }]);
    expect(days.map(({ day, items }) => [day, items.length])).toEqual([
      ["2026-11-03", 2],
      ["2026-11-05", 1],
    ]);
  });
});

describe("names", () => {
  test("whatever a name holds, it stays one part of a path and one value of a link", () => {
    const name = "a/b%2F?c&d=é <b>";
    expect(path("queues", "/", name).split("/").slice(2).map(decodeURIComponent)).toEqual(["queues", "/", name]);
    expect(new URL(link("/queue", { vhost: "/", name }), "http://x").searchParams.get("name")).toBe(name);
    expect(link("/queues", { vhost: "", name: undefined })).toBe("/queues");
    expect([exchangeName(""), exchangeName("amq.default"), exchangeName("shop")]).toEqual(["(default exchange)", "(default exchange)", "shop"]);
  });
});
