/** State of the computing half: which models there are, which are loaded, which backend computes. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { startEngine, type Engine } from "./engine";
import type { ModelEntry } from "./formats";
import type { Mode } from "./invert";
import {
  fetchChecked,
  fetchDetector,
  fetchManifest,
  modelsFor,
  modesOf,
  networksOf,
} from "./models";
import type { Backend } from "./tasks";

export interface Models {
  entries: ModelEntry[];
  attribute?: string;
  network: string;
  mode: Mode;
  /** The models that these three need. */
  needed: ModelEntry[];
  /** Set once all that are needed are loaded and have passed their self-test. */
  ready?: Engine;
  engine?: Engine;
  /** Largest difference from Keras on the stored pairs of the models in use. */
  difference?: number;
  /** Part of the download that has arrived, 0 to 1, or undefined when nothing is loading. */
  loading?: number;
  /** The backend that the user insists on. */
  only?: Backend;
  /** What happened to a backend that was taken away while it computed. */
  lost?: string;
  choose(change: Partial<Choice>): void;
  setOnly(backend?: Backend): void;
  /** Load again what has failed; `anew` in a new worker, where the old one may be gone. */
  retry(anew: boolean): void;
}

export interface Choice {
  attribute: string;
  network: string;
  mode: Mode;
}

export function useModels(fail: (error: unknown) => void, clear: () => void): Models {
  const [entries, setEntries] = useState<ModelEntry[]>([]);
  const [choice, setChoice] = useState<Partial<Choice>>({});
  const [engine, setEngine] = useState<Engine>();
  // Of each loaded model, by path: the largest difference in its self-test.
  const [differences, setDifferences] = useState<ReadonlyMap<string, number>>(new Map());
  const [loading, setLoading] = useState<number | undefined>(0);
  const [only, setOnly] = useState(
    () => (new URLSearchParams(location.search).get("backend") ?? undefined) as Backend | undefined,
  );
  const [avoid, setAvoid] = useState<ReadonlyMap<Backend, string>>(new Map());
  const [attempt, setAttempt] = useState(0);
  const engineRef = useRef<Engine>(undefined);

  const drop = useCallback(() => {
    engineRef.current?.stop();
    engineRef.current = undefined;
    setEngine(undefined);
    setDifferences(new Map());
  }, []);

  // What models are there?
  useEffect(() => {
    let current = true;
    fetchManifest().then(
      (found) => {
        if (!current) return;
        // The same list again is no news: it would load the models twice.
        setEntries((old) => (JSON.stringify(old) === JSON.stringify(found) ? old : found));
      },
      (error) => {
        if (!current) return;
        setLoading(undefined);
        fail(error);
      },
    );
    return () => {
      current = false;
    };
  }, [attempt, fail]);

  const { attribute = entries[0]?.attribute, mode: wanted = "add" } = choice;
  const networks = networksOf(entries, attribute);
  const network = networks.find((name) => name === choice.network) ?? networks[0] ?? "";
  const modes = modesOf(entries, attribute, network);
  const mode = modes.includes(wanted) ? wanted : (modes[0] ?? wanted);
  const needed = useMemo(
    () => modelsFor(entries, attribute, network, mode),
    [entries, attribute, network, mode],
  );

  // Load what is needed; the first model also starts the engine.
  useEffect(() => {
    if (needed.length === 0) return;
    let current = true;
    const missing = needed.filter(({ path }) => !engineRef.current || !differences.has(path));
    clear();
    if (missing.length === 0) return;
    const parts = new Map<string, [loaded: number, total: number]>();
    const report = (part: string) => (bytes: number, total: number) => {
      parts.set(part, [bytes, total]);
      const sums = [...parts.values()].reduce(([a, b], [c, d]) => [a + c, b + d]);
      if (current) setLoading(sums[0] / sums[1]);
    };

    async function load(): Promise<void> {
      setLoading(0);
      const [detector, ...downloads] = await Promise.all([
        engineRef.current ? undefined : fetchDetector(report("detector")),
        ...missing.map((entry) => fetchChecked(entry, report(entry.path))),
      ]);
      for (const [i, entry] of missing.entries()) {
        const { path } = entry;
        if (!current) return;
        let using = engineRef.current;
        let difference: number;
        if (using) {
          const { files, check } = downloads[i];
          ({ difference } = await using.load(path, files, check, entry));
        } else {
          const started = await startEngine(
            detector!,
            { name: path, ...downloads[i], what: entry },
            {
              only,
              avoid,
              onLost(backend, problem) {
                drop();
                if (only || problem.code === "too-slow") return fail(problem);
                setAvoid((old) => new Map(old).set(backend, problem.detail));
              },
            },
          );
          if (!current) return started.stop();
          engineRef.current = using = started;
          difference = started.selfTest.difference;
          setEngine(started);
        }
        // Of an engine that was dropped meanwhile, nothing is loaded any more.
        if (engineRef.current === using) {
          setDifferences((known) => new Map(known).set(path, difference));
        }
      }
    }
    load()
      .catch((error) => current && fail(error))
      .finally(() => {
        if (!current) return;
        current = false; // other parts of the download may still report
        setLoading(undefined);
      });
    return () => {
      current = false;
      setLoading(undefined);
    };
    // A model that has just been loaded is no reason to load it.
  }, [needed, only, avoid, attempt, fail, clear, drop]);

  const found = needed.map(({ path }) => differences.get(path));
  const loaded = found.length > 0 && found.every((value) => value !== undefined);
  return {
    entries,
    attribute,
    network,
    mode,
    needed,
    engine,
    ready: loaded ? engine : undefined,
    difference: loaded ? Math.max(...(found as number[])) : undefined,
    loading,
    only,
    lost: [...avoid.values()].at(-1),
    choose: (change) => setChoice((before) => ({ ...before, ...change })),
    setOnly(backend) {
      drop();
      setAvoid(new Map());
      setOnly(backend);
    },
    retry(anew) {
      clear();
      setLoading(0);
      if (anew) drop();
      setAttempt((count) => count + 1);
    },
  };
}
