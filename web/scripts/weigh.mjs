// The pages are to come quickly over a slow line: all of them together, compressed, have a limit.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 400_000;
const folder = new URL("../dist", import.meta.url).pathname;

const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(file.parentPath, file.name))).length, 0);
const share = `${Math.round(bytes / 1000)} kB of ${LIMIT / 1000} kB, compressed`;
if (bytes > LIMIT) {
  console.error(`the pages are too heavy: ${share}`);
  process.exit(1);
}
console.log(`the pages weigh ${share}`);
