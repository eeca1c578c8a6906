/** Keep what the page has used on the device, so that it opens again without a network. */

import { useEffect, useRef, useState } from "react";

import type { Engine } from "./engine";
import { MANIFEST } from "./models";
import { SAMPLES } from "./samples";

const WORKER = "sw.js";
/** All that this visit has used, of whichever backends: what isn't named again is dropped. */
const used = new Set<string>();

/**
 * @param engine once it has computed something: only what has worked is worth keeping
 * @param models the paths of the models in use
 * @returns "ready" once everything is kept
 */
export function useOffline(engine: Engine | undefined, models: string): "ready" | undefined {
  const [ready, setReady] = useState<"ready">();
  const kept = useRef(new Set<string>());

  useEffect(() => {
    if (!engine || !("serviceWorker" in navigator) || !import.meta.env.PROD) return;
    const what = `${engine.backend} ${models}`;
    if (kept.current.has(what)) return;
    kept.current.add(what);
    keep(engine).then(
      (done) => done && setReady("ready"),
      () => undefined, // the page works without it, as long as there is a network
    );
  }, [engine, models]);
  return ready;
}

async function keep(engine: Engine): Promise<boolean> {
  await navigator.serviceWorker.register(WORKER);
  const { active } = await navigator.serviceWorker.ready;
  const ours = performance.getEntriesByType("resource").map((entry) => entry.name);
  const more = ["./", MANIFEST, ...SAMPLES.map(({ address }) => address)];
  const addresses = [...ours, ...(await engine.resources()), ...more]
    .map((address) => new URL(address, document.baseURI))
    .filter((url) => url.origin === location.origin && url.protocol.startsWith("http"))
    .map((url) => url.href.split("#")[0]);
  addresses.forEach((address) => used.add(address));
  const answer = new MessageChannel();
  const kept = new Promise<boolean>((resolve) => {
    answer.port1.onmessage = ({ data }) => resolve(data === "kept");
  });
  active!.postMessage({ keep: [...used] }, [answer.port2]);
  return kept;
}
