// After the build: a compressed copy beside every file, as it is served. The pages are to come quickly over a slow line:
// all of them together have a limit.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 400_000;
const folder = process.env["LANDFALL_PAGES_OUT"] ?? "dist";

const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
let bytes = 0;
for (const file of files) {
  const path = join(file.parentPath, file.name);
  const packed = gzipSync(readFileSync(path), { level: 9 });
  writeFileSync(`${path}.gz`, packed);
  bytes += packed.length;
}
const share = `${Math.round(bytes / 1000)} kB of ${LIMIT / 1000} kB, compressed`;
if (bytes > LIMIT) {
  console.error(`the pages are too heavy: ${share}`);
  process.exit(1);
}
console.log(`the pages weigh ${share}`);
