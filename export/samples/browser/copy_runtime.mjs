// Copies what the page needs of LiteRT.js into runtime/, beside the page: the library,
// and the two WebAssembly builds without threads, of which a browser loads one.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const from = "node_modules/@litertjs";
mkdirSync("runtime/wasm", { recursive: true });
// Browsers do not know where packages lie.
const library = readFileSync(`${from}/core/dist/index.js`, "utf8").replace(
  '"@litertjs/wasm-utils"', '"./wasm_utils.js"');
writeFileSync("runtime/litert.js", library);
copyFileSync(`${from}/wasm-utils/dist/index.js`, "runtime/wasm_utils.js");
for (const build of ["litert_wasm_internal", "litert_wasm_compat_internal"]) {
  for (const kind of ["js", "wasm"]) {
    copyFileSync(`${from}/core/wasm/${build}.${kind}`, `runtime/wasm/${build}.${kind}`);
  }
}
