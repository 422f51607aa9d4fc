// Validates definitions with asl-validator: a JSON array of them in, the findings of each out.
// Call it with the folder that npm has installed the packages in.

const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join, resolve } = require("node:path");

const load = createRequire(join(resolve(process.argv[2]), "package.json"));
const validate = load("asl-validator");

const findings = JSON.parse(readFileSync(0, "utf8")).map((definition) => {
  const { isValid, errorsText } = validate(definition, { checkPaths: true, checkArn: true });
  return isValid ? "" : errorsText("\n");
});
process.stdout.write(JSON.stringify(findings));
