// Bundles editor.js into ../static/vendor, with the licences of all that is in it and its checksum.
// Versions are those of package-lock.json, so the same sources always give the same bytes.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = join(here, "..", "static", "vendor");

const result = await build({
  absWorkingDir: here,
  entryPoints: ["editor.js"],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none", // LICENSES.txt has them
  metafile: true,
  write: false,
});

const PACKAGE = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const names = new Set();
for (const file of Object.keys(result.metafile.inputs)) {
  const found = PACKAGE.exec(file);
  if (found) names.add(found[1]);
}

const packages = [...names].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].map((one) => join(folder, one)).find(existsSync);
  if (!file) throw new Error(`${name} has no licence file`);
  return { title: `${name} ${version} (${license})`, text: readFileSync(file, "utf8").trim() };
});

mkdirSync(vendor, { recursive: true });
const banner = "// Built by `make editor` from dashboard/editor; licences: LICENSES.txt.\n" +
  packages.map(({ title }) => `// ${title}\n`).join("");
const bundle = banner + result.outputFiles[0].text;
const licences = packages.map(({ title, text }) => `${title}\n\n${text}\n`).join(`\n${"-".repeat(79)}\n\n`);
const sums = [];
for (const [name, text] of [["LICENSES.txt", licences], ["editor.js", bundle]]) {
  writeFileSync(join(vendor, name), text);
  sums.push(`${createHash("sha256").update(text).digest("hex")}  ${name}\n`);
}
writeFileSync(join(vendor, "SHA256SUMS"), sums.join(""));
console.log(`${(bundle.length / 1024).toFixed(0)} KiB, ${packages.length} packages`);
