// Writes a line for each test into the file that CLIENT_RESULTS names (xtask/src/clients/results.rs reads them),
// and for a person the failures with their errors.
import { appendFileSync } from 'node:fs';

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === 'test:stderr' || type === 'test:stdout') yield data.message;
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    let line = type === 'test:pass' ? `ok - ${data.name}` : `not ok - ${data.name}`;
    if (data.skip !== undefined) line += ` # SKIP ${data.skip}`;
    if (process.env.CLIENT_RESULTS) appendFileSync(process.env.CLIENT_RESULTS, `${line}\n`);
    yield `${line} (${Math.round(data.details.duration_ms)} ms)\n`;
    const error = data.details?.error;
    if (error) yield `${(error.cause ?? error).stack ?? error}\n`;
  }
}
