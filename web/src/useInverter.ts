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

export interface Shown {
  photo: ImageBitmap;
  result?: Inverted;
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
  const [difference, setDifference] = useState<number>();
  const [loading, setLoading] = useState<number | undefined>(0);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [photo, setPhoto] = useState<ImageBitmap>();
  const [shown, setShown] = useState<Shown>();
  const [camera, setCamera] = useState<Camera>();
  const [firstResult, setFirstResult] = useState<number>();
  const [attempt, setAttempt] = useState(0);

  const engineRef = useRef<Engine>(undefined);
  const loaded = useRef(new Map<string, number>()); // model name to its self-test's difference
  const readyAt = useRef(0);
  const video = useRef<HTMLVideoElement>(undefined);
  const mirror = useRef(true);

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
      let using = engineRef.current;
      if (using && loaded.current.has(name)) return;
      setLoading(0);
      const generator = fetchGenerator(chosen, report("generator"));
      if (using) {
        const { files, check } = await generator;
        loaded.current.set(name, (await using.load(name, files, check)).difference);
        return;
      }
      const [detector, first] = await Promise.all([fetchDetector(report("detector")), generator]);
      if (!current) return;
      using = await startEngine(detector, { name, ...first });
      if (!current) return using.stop();
      loaded.current.set(name, using.selfTest.difference);
      engineRef.current = using;
      setEngine(using);
    }

    setProblem(undefined);
    setDifference(undefined);
    load(entry).then(
      () => {
        if (!current) return;
        readyAt.current = performance.now();
        setLoading(undefined);
        setDifference(loaded.current.get(name));
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
  }, [entry, attempt, fail]);

  const ready = engine !== undefined && entry !== undefined && difference !== undefined;

  const run = useCallback(
    async (picture: ImageBitmap): Promise<Shown> => {
      const start = performance.now();
      // The copy goes to the worker for good; the picture stays here to be shown.
      const result = await engine!.invert(nameOf(entry!), await createImageBitmap(picture));
      const now = performance.now();
      setFirstResult((first) => first ?? Math.round(now - readyAt.current));
      return { photo: picture, result, milliseconds: now - start };
    },
    [engine, entry],
  );

  // Edit the picture, whenever it or the model changes.
  useEffect(() => {
    if (!photo) return;
    setShown({ photo, milliseconds: 0 });
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
        if (!current) return;
        await nextFrame();
        const now = 1000 / (performance.now() - start);
        rate = rate ? 0.8 * rate + 0.2 * now : now;
        setShown((previous) => {
          previous?.photo.close();
          return done;
        });
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
      setAttempt((count) => count + 1);
    },
  };
}

function nextFrame(): Promise<unknown> {
  return new Promise(requestAnimationFrame);
}
