// What a page does with EventSource, told event by event.

export function listen(EventSource, { url, types }, say) {
  // One after the other: in the order in which they came.
  let telling = Promise.resolve();
  const tell = (said) => {
    telling = telling.then(() => say(said));
  };
  const source = new EventSource(url, { withCredentials: true });
  for (const type of types) {
    source.addEventListener(type, (event) => {
      tell({ event: event.type, id: event.lastEventId, data: JSON.parse(event.data) });
    });
  }
  source.onopen = () => tell({ event: "open" });
  // CONNECTING: it comes back by itself. CLOSED: it was told to stay away, or is not let in.
  source.onerror = () => tell({ event: source.readyState === 2 ? "closed" : "lost" });
}
