/** The page's state: which model, which picture, what came out, what went wrong. */

import { useCallback, useEffect, useRef, useState } from "react";

import {
  cameras,
  closeCamera,
  openCamera,
  photoFromAddress,
  photoFromFile,
  photoFromVideo,
} from "./capture";
import { startEngine, type Engine } from "./engine";
import type { Inverted } from "./invert";
import {
  fetchDetector,
  fetchGenerator,
  fetchManifest,
  type Direction,
  type ModelEntry,
} from "./models";
import { asProblem, Problem } from "./problems";
import type { SelfTest } from "./worker";

export interface Shown {
  photo: ImageBitmap;
  result?: Inverted;
  /** How many results there have been. */
  number: number;
  /** From the picture being there to the result being there. */
  milliseconds: number;
}

export interface Camera {
  devices: MediaDeviceInfo[];
  deviceId: string;
  mirror: boolean;
  live: boolean;
  framesPerSecond: number;
}

export interface Inverter {
  entries: ModelEntry[];
  entry?: ModelEntry;
  engine?: Engine;
  /** Largest difference from Keras on the stored pair of the model in use. */
  difference?: number;
  /** Part of the download that has arrived, 0 to 1, or undefined when nothing is loading. */
  loading?: number;
  busy: boolean;
  problem?: Problem;
  shown?: Shown;
  camera?: Camera;
  /** From the model being ready to the first result. */
  firstResult?: number;

  choose(attribute: string, direction: Direction): void;
  openSample(address: string): void;
  openFile(file: File): void;
  startCamera(deviceId?: string): void;
  stopCamera(): void;
  setMirror(mirror: boolean): void;
  setLive(live: boolean): void;
  retry(): void;
}

const nameOf = (entry: ModelEntry) => entry.path;

export function useInverter(firstSample: string): Inverter {
  const [entries, setEntries] = useState<ModelEntry[]>([]);
  const [entry, setEntry] = useState<ModelEntry>();
  const [engine, setEngine] = useState<Engine>();
  // Of each loaded model, by name: the largest difference in its self-test.
  const [differences, setDifferences] = useState<ReadonlyMap<string, number>>(new Map());
  const [loading, setLoading] = useState<number | undefined>(0);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [photo, setPhoto] = useState<ImageBitmap>();
  const [shown, setShown] = useState<Shown>();
  const [camera, setCamera] = useState<Camera>();
  const [firstResult, setFirstResult] = useState<number>();
  const [attempt, setAttempt] = useState(0);

  const engineRef = useRef<Engine>(undefined);
  const readyAt = useRef(0);
  const video = useRef<HTMLVideoElement>(undefined);
  const mirror = useRef(true);
  const results = useRef(0);

  const fail = useCallback((error: unknown) => setProblem(asProblem(error)), []);

  // What models are there?
  useEffect(() => {
    let current = true;
    setProblem(undefined);
    fetchManifest().then(
      (found) => {
        if (!current) return;
        setEntries(found);
        setEntry((chosen) => chosen ?? found[0]);
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

  // Load the chosen model; the first one also starts the engine.
  useEffect(() => {
    if (!entry) return;
    let current = true;
    const name = nameOf(entry);
    const parts = new Map<string, [loaded: number, total: number]>();
    const report = (part: string) => (bytes: number, total: number) => {
      parts.set(part, [bytes, total]);
      const sums = [...parts.values()].reduce(([a, b], [c, d]) => [a + c, b + d]);
      if (current) setLoading(sums[0] / sums[1]);
    };

    async function load(chosen: ModelEntry): Promise<void> {
      setLoading(0);
      const generator = fetchGenerator(chosen, report("generator"));
      let using = engineRef.current;
      let selfTest: SelfTest;
      if (using) {
        const { files, check } = await generator;
        selfTest = await using.load(name, files, check);
      } else {
        const [detector, first] = await Promise.all([fetchDetector(report("detector")), generator]);
        if (!current) return;
        using = await startEngine(detector, { name, ...first });
        if (!current) return using.stop();
        selfTest = using.selfTest;
        engineRef.current = using;
        setEngine(using);
      }
      readyAt.current = performance.now();
      setDifferences((known) => new Map(known).set(name, selfTest.difference));
    }

    setProblem(undefined);
    if (engineRef.current && differences.has(name)) return;
    load(entry)
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
  }, [entry, attempt, fail]);

  const difference = entry && differences.get(nameOf(entry));
  const ready = engine !== undefined && difference !== undefined;

  const run = useCallback(
    async (picture: ImageBitmap): Promise<Shown> => {
      const start = performance.now();
      // The copy goes to the worker for good; the picture stays here to be shown.
      const result = await engine!.invert(nameOf(entry!), await createImageBitmap(picture));
      const now = performance.now();
      setFirstResult((first) => first ?? Math.round(now - readyAt.current));
      return { photo: picture, result, number: ++results.current, milliseconds: now - start };
    },
    [engine, entry],
  );

  // Edit the picture, whenever it or the model changes.
  useEffect(() => {
    if (!photo) return;
    setShown({ photo, number: results.current, milliseconds: 0 });
    if (!ready) return;
    let current = true;
    setBusy(true);
    setProblem(undefined);
    run(photo)
      .then(
        (done) => {
          if (!current) return;
          setShown(done);
          if (done.result!.faces === 0) fail(new Problem("no-face"));
        },
        (error) => current && fail(error),
      )
      .finally(() => current && setBusy(false));
    return () => {
      current = false;
    };
  }, [photo, ready, run, fail]);

  // Live: frame after frame, each as soon as the one before it is done.
  const live = camera?.live ?? false;
  useEffect(() => {
    if (!live || !ready) return;
    let current = true;
    let rate = 0;
    let previous: ImageBitmap | undefined;
    (async () => {
      while (current) {
        const source = video.current;
        if (!source || source.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
          await nextFrame();
          continue;
        }
        const start = performance.now();
        const frame = photoFromVideo(source, mirror.current);
        const done = await run(frame);
        await nextFrame();
        if (!current) return;
        const now = 1000 / (performance.now() - start);
        rate = rate ? 0.8 * rate + 0.2 * now : now;
        setShown(done);
        previous?.close(); // or its megabytes wait for the garbage collector
        previous = frame;
        setCamera((state) => state && { ...state, framesPerSecond: rate });
      }
    })().catch((error) => current && fail(error));
    return () => {
      current = false;
    };
  }, [live, ready, run, fail]);

  const stopCamera = useCallback(() => {
    const stream = video.current?.srcObject;
    if (stream instanceof MediaStream) closeCamera(stream);
    video.current = undefined;
    setCamera(undefined);
  }, []);

  const startCamera = useCallback(
    async (deviceId?: string) => {
      stopCamera();
      setProblem(undefined);
      try {
        const stream = await openCamera(deviceId);
        const track = stream.getVideoTracks()[0];
        const settings = track.getSettings();
        mirror.current = settings.facingMode !== "environment";
        const player = document.createElement("video");
        player.muted = true;
        player.playsInline = true;
        player.srcObject = stream;
        await player.play();
        video.current = player;
        track.onended = () => {
          stopCamera();
          fail(new Problem("camera-lost"));
        };
        setCamera({
          devices: await cameras(),
          deviceId: settings.deviceId ?? "",
          mirror: mirror.current,
          live: true,
          framesPerSecond: 0,
        });
        setPhoto(undefined);
      } catch (error) {
        fail(error);
      }
    },
    [fail, stopCamera],
  );

  const open = useCallback(
    async (picture: Promise<ImageBitmap>) => {
      stopCamera();
      setProblem(undefined);
      try {
        setPhoto(await picture);
      } catch (error) {
        fail(error);
      }
    },
    [fail, stopCamera],
  );

  const openSample = useCallback((address: string) => open(photoFromAddress(address)), [open]);
  const openFile = useCallback((file: File) => open(photoFromFile(file, file.name)), [open]);

  // Something to see from the start.
  useEffect(() => {
    openSample(firstSample);
  }, [openSample, firstSample]);

  return {
    entries,
    entry,
    engine,
    difference,
    loading,
    busy,
    problem,
    shown,
    camera,
    firstResult,
    openSample,
    openFile,
    startCamera,
    stopCamera,
    choose(attribute, direction) {
      const same = entries.filter((other) => other.attribute === attribute);
      setEntry(same.find((other) => other.direction === direction) ?? same[0]);
    },
    setMirror(value) {
      mirror.current = value;
      setCamera((state) => state && { ...state, mirror: value });
    },
    setLive(value) {
      if (!value && video.current) setPhoto(photoFromVideo(video.current, mirror.current));
      if (value) setPhoto(undefined);
      setCamera((state) => state && { ...state, live: value });
    },
    retry() {
      if (problem?.code === "crashed") {
        // The worker may be gone: start again from nothing.
        engineRef.current?.stop();
        engineRef.current = undefined;
        setEngine(undefined);
        setDifferences(new Map());
      }
      setAttempt((count) => count + 1);
    },
  };
}

function nextFrame(): Promise<unknown> {
  return new Promise(requestAnimationFrame);
}
