// A large file goes up in pieces, by tus 1.0.0: a broken connection costs the piece that was on its way, and a file that
// is chosen again goes on where it stopped. See docs/uploads.md.

export const LARGE = 64 * 2 ** 20;
const PIECE = 16 * 2 ** 20;
const UPLOADS = "/api/v1/uploads";
const VERSION = { "Tus-Resumable": "1.0.0" };
const TRY_AGAIN = [409, 423, 429, 500, 502, 503, 504];
// Seconds behind the first failure, and those that follow it without a byte getting through.
const WAITS = [0.2, 1, 2, 5, 10, 20, 20, 20];

const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

async function problemOf(answer) {
  const body = await answer.json().catch(() => null);
  return Object.assign(new Error(body?.detail ?? `The server answered ${answer.status}.`), { status: answer.status });
}

function described(file) {
  const words = { filename: file.name, ...(file.type && { filetype: file.type }) };
  return Object.entries(words).map(([name, text]) => `${name} ${encoded(text)}`).join(",");
}

/** Send a file; resolves with what a form's answer says of it. tell(bytes): how much is there. */
export async function sendLarge(file, tell = () => {}, memory = localStorage, ask = fetch) {
  const key = `upload/${file.name}/${file.size}/${file.lastModified}`;

  async function create() {
    const headers = { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": described(file) };
    const answer = await ask(UPLOADS, { method: "POST", headers });
    if (answer.status !== 201) throw await problemOf(answer);
    const id = answer.headers.get("Location").split("/").pop();
    memory.setItem(key, id);
    return { upload_id: id, offset: 0, file: null };
  }

  async function whereItStands() {
    const id = memory.getItem(key);
    if (!id) return create();
    const answer = await ask(`${UPLOADS}/${id}`);
    if (!answer.ok && answer.status !== 404) throw await problemOf(answer);
    const state = answer.ok ? await answer.json() : null;
    if (state && (state.status === "receiving" || state.file)) return state;
    memory.removeItem(key);
    return create();
  }

  let [failures, furthest, state] = [0, -1, null];
  for (;;) {
    try {
      state ??= await whereItStands();
      if (state.file) {
        memory.removeItem(key);
        return state.file;
      }
      if (state.offset > furthest) [failures, furthest] = [0, state.offset];
      tell(state.offset);
      const headers = { ...VERSION, "Upload-Offset": String(state.offset), "Content-Type": "application/offset+octet-stream" };
      const body = file.slice(state.offset, state.offset + PIECE);
      const answer = await ask(`${UPLOADS}/${state.upload_id}`, { method: "PATCH", headers, body });
      if (!answer.ok) throw await problemOf(answer);
      const offset = Number(answer.headers.get("Upload-Offset"));
      // Behind the last piece the state tells what it became.
      state = offset < file.size ? { ...state, offset } : null;
    } catch (error) {
      state = null;
      if (error.status && !TRY_AGAIN.includes(error.status)) {
        // Whoever signs in again goes on.
        if (error.status !== 401) memory.removeItem(key);
        throw error;
      }
      if (failures === WAITS.length) throw new Error(`The upload broke off: ${error.message} Choose the file again, and it goes on.`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * WAITS[failures++]));
    }
  }
}
