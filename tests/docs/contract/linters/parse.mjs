// Print the errors and warnings of AsyncAPI's own parser about a document, one a line.
import { readFileSync } from "node:fs";

import { Parser } from "@asyncapi/parser";

const [path] = process.argv.slice(2);
const { diagnostics } = await new Parser().parse(readFileSync(path, "utf8"), { source: path });
for (const { severity, code, path: where, message } of diagnostics) {
  if (severity <= 1) { // an error or a warning
    console.log(`${code} at ${where.join("/")}: ${message}`);
  }
}
