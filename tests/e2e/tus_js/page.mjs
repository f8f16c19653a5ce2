// Uploads a file by the page's own code: node page.mjs '{"path", "page", "url", "token", "expires"}'. Prints what the page would
// be told. expires: at the second piece the session has ended; then the same file is chosen again, with a new one.
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const asked = JSON.parse(process.argv[2]);
const { sendLarge } = await import(asked.page);

const file = new File([await openAsBlob(asked.path)], basename(asked.path), { lastModified: 1, type: "image/jpeg" });
const kept = new Map();
const memory = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
};
const told = [];
const refused = [];
let pieces = 0;
const ask = (path, options = {}) => {
  if (options.method === "PATCH") pieces += 1;
  const token = asked.expires && pieces === 2 ? "ended" : asked.token;
  return fetch(asked.url + path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
};
const send = () => sendLarge(file, (sent) => told.push(sent), memory, ask);
const uploaded = await send().catch((error) => {
  if (!asked.expires) throw error;
  refused.push(error.status);
  pieces += 1;
  return send();
});
console.log(JSON.stringify({ uploaded, told, refused, left: kept.size }));
