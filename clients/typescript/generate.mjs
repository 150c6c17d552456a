// Writes src/api.ts from docs/openapi.json and src/events.ts from docs/asyncapi.json: `npm run generate`.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const read = async (name) => JSON.parse(await readFile(new URL(`../../docs/${name}`, import.meta.url), "utf8"));
const write = (name, source, text) =>
  writeFile(new URL(`src/${name}`, import.meta.url), `// Made from docs/${source} by \`npm run generate\`: change nothing here.\n\n${text}`);
const types = async (description, options) => astToString(await openapiTS(description, { alphabetize: true, ...options }));

await write("api.ts", "openapi.json", await types(await read("openapi.json")));

const { components, operations } = await read("asyncapi.json");
const schema = ({ $ref }) => components.messages[$ref.split("/").at(-1)].payload.$ref.split("/").at(-1);
const answers = ({ reply }) => (reply ? `, answer?: (answer: ${reply.messages.map(schema).join(" | ")}) => void` : "");
const events = (action) =>
  Object.entries(operations)
    .filter(([, operation]) => operation.action === action)
    .map(([name, operation]) => `  /** ${operation.title}. */\n  ${name}: (event: ${schema(operation.messages[0])}${answers(operation)}) => void;\n`)
    .join("");
// The schemas are JSON Schema in both kinds of description, so that one tool makes types of both.
const schemas = { openapi: "3.1.0", info: { title: "events", version: "1" }, paths: {}, components: { schemas: components.schemas } };
const text = await types(schemas, { rootTypes: true, rootTypesNoSchemaPrefix: true });
const named = text.slice(text.indexOf("export interface components"), text.indexOf("export type $defs"));
await write(
  "events.ts",
  "asyncapi.json",
  `${named}
/** What the server sends: for \`Socket<ServerToClientEvents, ClientToServerEvents>\` of socket.io-client. */
export interface ServerToClientEvents {
${events("send")}}

/** What clients send. */
export interface ClientToServerEvents {
${events("receive")}}
`,
);
