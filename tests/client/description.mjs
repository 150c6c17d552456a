// The description of the socket, and whether something is as it says.
import { Ajv } from "ajv";
import { fullFormats } from "ajv-formats/dist/formats.js";

const answer = await fetch(`${process.env.AETHER_URLS.split(",")[0]}/api/docs/asyncapi.json`);
export const description = await answer.json();

// Clients must live with new fields, but here one that isn't described is a fault.
const { messages, schemas } = structuredClone(description.components);
for (const schema of Object.values(schemas)) if (schema.properties) schema.additionalProperties = false;

const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addFormat("date-time", fullFormats["date-time"]);
ajv.addFormat("uint64", { type: "number", validate: Number.isSafeInteger });
ajv.addSchema({ $id: "socket", components: { schemas } }).addKeyword("components");

/** What is wrong with the payload of an event, or with an answer: nothing where the list is empty. */
export function wrong(name, payload) {
  if (!messages[name]) return [`${name} is not described`];
  const validate = ajv.getSchema(`socket${messages[name].payload.$ref}`);
  return validate(payload) ? [] : [`${name} ${JSON.stringify(payload)}: ${ajv.errorsText(validate.errors)}`];
}
