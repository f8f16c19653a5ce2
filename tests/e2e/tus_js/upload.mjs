// Uploads a file with tus-js-client: node upload.mjs '{"path", "endpoint", "token", "chunkSize", "metadata"}'
// Prints the headers of the last answer as JSON.
import { createReadStream } from "node:fs";
import * as tus from "tus-js-client";

const asked = JSON.parse(process.argv[2]);
const retried = [];

const upload = new tus.Upload(createReadStream(asked.path), {
  endpoint: asked.endpoint,
  headers: { Authorization: `Bearer ${asked.token}` },
  chunkSize: asked.chunkSize ?? Infinity,
  uploadDataDuringCreation: asked.uploadDataDuringCreation ?? false,
  metadata: asked.metadata,
  retryDelays: [0, 1000, 3000, 5000],
  onShouldRetry: (error) => {
    const status = error.originalResponse?.getStatus() ?? 0;
    retried.push(status);
    return status < 400 || status >= 500 || status === 409 || status === 423;
  },
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: ({ lastResponse }) => {
    console.log(
      JSON.stringify({
        url: upload.url,
        status: lastResponse.getStatus(),
        fileId: lastResponse.getHeader("Assay-File-Id"),
        runId: lastResponse.getHeader("Assay-Run-Id"),
        retried,
      }),
    );
  },
});
upload.start();
