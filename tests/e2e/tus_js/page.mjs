// Uploads a file by the page's own code: node page.mjs '{"path", "page", "url", "token"}'. Prints what the page would be told.
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
const ask = (path, options = {}) =>
  fetch(asked.url + path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${asked.token}` } });
const uploaded = await sendLarge(file, (sent) => told.push(sent), memory, ask);
console.log(JSON.stringify({ uploaded, told, left: kept.size }));
