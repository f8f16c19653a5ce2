// Reads `assay.verdicts` and prints each file's report as one line. Built from the published JSON Schema alone.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Kafka, logLevel } from "kafkajs";

const TOPIC = "assay.verdicts";
const TYPE = "assay.run.completed.v1";
const PREFIX = "ASSAY_KAFKA__";
const CHECKOUT = fileURLToPath(new URL("../../../shared/assay/contracts/schemas", import.meta.url));

/** The latest report of each file, as far as they were read. */
class Reports {
  #isValid;
  #shown = new Map();

  constructor(schema) {
    // Schemas have words for people, such as `examples`, that a validator need not know.
    this.#isValid = addFormats(new Ajv({ strict: false })).compile(schema);
  }

  /** What to print; null for what is no news. Throws where an event is not what its type promises. */
  lineOf({ key, value, headers }) {
    const fileId = key.toString();
    if (value === null || value.length === 0) {
      this.#shown.delete(fileId);
      return `${fileId}\tdeleted`;
    }
    if (headers.ce_type?.toString() !== TYPE || headers.assay_redrive_group !== undefined) {
      return null;
    }
    const event = JSON.parse(value.toString());
    if (!this.#isValid(event)) {
      const [wrong] = this.#isValid.errors;
      throw new Error(`${wrong.instancePath || "/"}: ${wrong.message}`);
    }
    if (event.run_number <= (this.#shown.get(fileId) ?? 0)) {
      return null;
    }
    this.#shown.set(fileId, event.run_number);
    const { label, score, summary } = event.report;
    const shown = score === null || score === undefined ? "-" : score.toFixed(3);
    return [fileId, event.run_number, label, shown, summary.trim().replace(/\s+/g, " ")].join("\t");
  }
}

/** Settings of Kafka's client, from the environment. */
function connection() {
  const read = (name) => process.env[PREFIX + name];
  const protocol = read("SECURITY_PROTOCOL") ?? "PLAINTEXT";
  const caFile = read("SSL_CA_FILE");
  return {
    clientId: "example-subscriber-node",
    brokers: read("BOOTSTRAP_SERVERS").split(","),
    ssl: protocol.endsWith("SSL") && (caFile ? { ca: [readFileSync(caFile)] } : true),
    sasl: protocol.startsWith("SASL")
      ? {
          mechanism: (read("SASL_MECHANISM") ?? "PLAIN").toLowerCase(),
          username: read("SASL_USERNAME"),
          password: read("SASL_PASSWORD"),
        }
      : undefined,
    logLevel: logLevel.ERROR,
  };
}

const folder = process.env.SUBSCRIBER_SCHEMAS || CHECKOUT;
const reports = new Reports(JSON.parse(readFileSync(`${folder}/${TYPE}.json`, "utf8")));
const consumer = new Kafka(connection()).consumer({
  groupId: process.env.SUBSCRIBER_GROUP || "example-subscriber-node",
  // Also how long a signal may wait until it is heard.
  maxWaitTimeInMs: 500,
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  // Finishes the record at hand, commits, and leaves the group.
  process.once(signal, () => consumer.disconnect().then(() => process.exit(0)));
}

await consumer.connect();
await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ topic, partition, message }) => {
    try {
      const line = reports.lineOf(message);
      if (line !== null) {
        console.log(line);
      }
    } catch (error) {
      console.error(`passed over ${topic}/${partition}/${message.offset}: ${error.message}`);
    }
  },
});
