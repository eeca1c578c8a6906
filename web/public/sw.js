/**
 * Lets the page open without a network.
 *
 * The page names the files that it has used, once they have worked; those are kept, and no others,
 * so that a visitor downloads nothing for a backend that they do not use. Names under assets/ hold
 * a hash of their content and are served from what is kept; all else is asked for at the server
 * first, so that a new version or a new model is seen at once.
 */

const NAME = `inverter ${self.registration.scope}`;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  const [port] = event.ports;
  event.waitUntil(
    keep(event.data.keep).then(
      () => port?.postMessage("kept"),
      (error) => port?.postMessage(String(error)),
    ),
  );
});

async function keep(addresses) {
  const cache = await caches.open(NAME);
  const known = new Set((await cache.keys()).map((request) => request.url));
  await Promise.all(
    addresses.map(async (address) => {
      if (isHashed(address) && known.has(address)) return;
      const response = await fetch(address);
      if (!response.ok) throw new Error(`${address}: ${response.status}`);
      await cache.put(address, response);
    }),
  );
  // Parts of an earlier version of the page.
  const wanted = new Set(addresses);
  for (const address of known) {
    if (isHashed(address) && !wanted.has(address)) await cache.delete(address);
  }
}

function isHashed(address) {
  return new URL(address).pathname.includes("/assets/");
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(answer(request));
});

async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = () =>
    request.mode === "navigate" ? cache.match(self.registration.scope) : cache.match(request.url);
  if (isHashed(request.url)) return (await kept()) ?? fetch(request);
  try {
    return await fetch(request);
  } catch (error) {
    const old = await kept();
    if (old) return old;
    throw error;
  }
}
