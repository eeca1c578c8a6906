/** The page's state: which picture, what came out, what went wrong. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { mirrored, nextVideoFrame, photoFromAddress, photoFromFile, type Facing } from "./capture";
import type { Choosable, ModelEntry } from "./formats";
import type { Inverted } from "./invert";
import { addressOf } from "./models";
import { asProblem, Problem } from "./problems";
import type { Order } from "./tasks";
import { useCamera, type Camera } from "./useCamera";
import { useModels, type Models } from "./useModels";

export interface Shown {
  photo: ImageBitmap;
  result?: Inverted;
  /** Whether it is a frame of the camera's film. */
  live: boolean;
  /** How many results there have been. */
  number: number;
  /** From the picture being there to the result being there. */
  milliseconds: number;
}

export interface Inverter extends Models, Choosable {
  busy: boolean;
  problem?: Problem;
  shown?: Shown;
  camera?: Camera;
  framesPerSecond: number;
  /** From the model being ready to the first result. */
  firstResult?: number;
  /** 0 changes nothing, 1 is what the generator computes. */
  strength: number;
  /** The numbers chosen, from -1 to 1, in the order of `styles`; 0 is what suits. */
  style: number[];
  /** The address of pictures of the kinds, if there are some. */
  pictures?: string;

  setStrength(strength: number): void;
  setStyle(style: number[]): void;
  openSample(address: string): void;
  openFile(file: File): void;
  startCamera(wanted?: { deviceId?: string; facing?: Facing }): void;
  stopCamera(): void;
  setMirror(mirror: boolean): void;
  setLive(live: boolean): void;
  fail(error: unknown): void;
  tryAgain(): void;
}

/** A camera that gives no frame for so long has something in its way. */
const PATIENCE = 4000;
const NOTHING: Pick<ModelEntry, "styles" | "kinds" | "pictures"> = { styles: [], kinds: [] };

export function useInverter(firstSample: string): Inverter {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [photo, setPhoto] = useState<ImageBitmap>();
  const [shown, setShown] = useState<Shown>();
  const [framesPerSecond, setFramesPerSecond] = useState(0);
  const [firstResult, setFirstResult] = useState<number>();
  const [strength, setStrengthState] = useState(1);
  const strengthNow = useRef(1);
  // Of each model, by path: another attribute has other styles.
  const [chosen, setChosen] = useState<Record<string, number[]>>({});
  const results = useRef(0);
  const films = useRef(0);
  const [opening, setOpening] = useState(false);
  const opened = useRef(0);

  const fail = useCallback((error: unknown) => setProblem(asProblem(error)), []);
  // Kept apart: that a picture is edited does not bring a camera back.
  const [editProblem, setEditProblem] = useState<Problem>();
  const failEdit = useCallback((error: unknown) => setEditProblem(asProblem(error)), []);
  const clearEdit = useCallback(() => setEditProblem(undefined), []);
  const clear = useCallback(() => {
    setProblem(undefined);
    setEditProblem(undefined);
  }, []);
  // Kept apart: opening another photo does not bring a missing model back.
  const [modelProblem, setModelProblem] = useState<Problem>();
  const failModels = useCallback((error: unknown) => setModelProblem(asProblem(error)), []);
  const clearModels = useCallback(() => setModelProblem(undefined), []);
  const models = useModels(failModels, clearModels);
  const control = useCamera(fail, clear, setPhoto);
  const { ready, mode, needed, only } = models;
  const { camera, video, take, start, leave } = control;
  const live = camera?.live ?? false;

  const adder = needed.find(({ role }) => role === "add");
  const { styles, kinds, pictures } = adder ?? NOTHING;
  const style = useMemo(
    () => chosen[adder?.path ?? ""] ?? styles.map(() => 0),
    [chosen, adder?.path, styles],
  );
  const styleNow = useRef(style);
  useEffect(() => {
    styleNow.current = style;
  }, [style]);
  const readyAt = useMemo(() => (ready ? performance.now() : 0), [ready]);
  const run = useCallback(
    async (picture: ImageBitmap, live?: Order["live"]): Promise<Shown> => {
      const start = performance.now();
      const order: Order = {
        mode,
        models: Object.fromEntries(needed.map(({ role, path }) => [role, path])),
        column: needed.find(({ role }) => role === "tell")?.column ?? 0,
        strength: strengthNow.current,
        style: styleNow.current,
        live,
      };
      // The copy goes to the worker for good; the picture stays here to be shown.
      const result = await ready!.invert(order, await createImageBitmap(picture));
      const now = performance.now();
      setFirstResult((first) => first ?? Math.round(now - readyAt));
      const number = ++results.current;
      return { photo: picture, live: !!live, result, number, milliseconds: now - start };
    },
    [ready, mode, needed, readyAt],
  );
  // A GPU that was lost needs no message where the next backend takes over, and what computed for
  // too long has got its message as a model.
  const failUnlessLost = useCallback(
    (error: unknown) => {
      const { code } = asProblem(error);
      if (code !== "too-slow" && (only || code !== "gpu-lost")) failEdit(error);
    },
    [only, failEdit],
  );

  // Another strength or style of the picture that is shown needs no detector.
  const again = useRef<{ running?: true; wanted?: ImageBitmap }>({});
  const composite = useCallback(
    async (picture: ImageBitmap) => {
      again.current.wanted = picture;
      if (again.current.running || !ready) return;
      again.current.running = true;
      try {
        for (let wanted; (wanted = again.current.wanted); ) {
          again.current.wanted = undefined;
          const result = await ready.again(strengthNow.current, styleNow.current);
          const number = ++results.current;
          setShown((old) => {
            if (!result || !old?.result || old.photo !== wanted) return old;
            const { edit, composite } = result.milliseconds;
            const milliseconds = { ...old.result.milliseconds, composite };
            if (edit) milliseconds.edit = edit;
            return { ...old, number, result: { ...result, milliseconds } };
          });
        }
      } catch (error) {
        failUnlessLost(error);
      } finally {
        again.current.running = undefined;
      }
    },
    [ready, failUnlessLost],
  );

  // Edit the picture, whenever it or the model changes, or where no film takes its place any more.
  useEffect(() => {
    if (!photo || live) return;
    setShown({ photo, live: false, number: results.current, milliseconds: 0 });
    if (!ready) return;
    let current = true;
    setBusy(true);
    clearEdit();
    const asked = String([strengthNow.current, ...styleNow.current]);
    run(photo)
      .then(
        (done) => {
          if (!current) return;
          setShown(done);
          // Changed while this was on its way.
          if (asked !== String([strengthNow.current, ...styleNow.current])) composite(photo);
          const { directions, hint } = done.result!;
          if (directions.length === 0) {
            failEdit(new Problem(hint ?? "no-face"));
          }
        },
        (error) => current && failUnlessLost(error),
      )
      .finally(() => current && setBusy(false));
    return () => {
      current = false;
      setBusy(false);
    };
  }, [photo, live, ready, run, composite, failEdit, clearEdit, failUnlessLost]);

  // Live: frame after frame, each as soon as the one before it is computed.
  useEffect(() => {
    if (!live || !ready) return;
    let current = true;
    let rate = 0;
    let previous: ImageBitmap | undefined;
    const film = ++films.current;
    let start = performance.now();
    async function show(done: Shown) {
      await nextFrame();
      if (!current) return;
      const now = performance.now();
      rate += (rate ? 0.1 : 1) * (1000 / (now - start) - rate);
      start = now;
      setShown(done);
      setFramesPerSecond(rate);
      previous?.close(); // or its megabytes wait for the garbage collector
      previous = done.photo;
    }
    (async () => {
      let coming = nextVideoFrame(video.current!, PATIENCE);
      let showing: Promise<void> | undefined;
      for (let silent = false; current; ) {
        const came = await coming;
        if (!current || !video.current) return;
        coming = nextVideoFrame(video.current, PATIENCE);
        if (silent === came) {
          silent = !came;
          if (silent) fail(new Problem("camera-silent"));
          else clear();
        }
        if (silent) continue;
        const frame = take();
        if (!frame) continue;
        const done = await run(frame, { film, at: performance.now() });
        await showing;
        // Not awaited: while the screen draws this one, the worker computes the next.
        showing = show(done);
      }
    })().catch((error) => current && failUnlessLost(error));
    return () => {
      current = false;
    };
  }, [live, ready, run, video, take, fail, clear, failUnlessLost]);

  // What was said was about the picture that the film takes the place of.
  useEffect(() => {
    if (live) clear();
  }, [live, clear]);

  // Of two pictures that are asked for, the later one is shown, whichever is there first.
  const open = useCallback(
    async (picture: Promise<ImageBitmap>) => {
      const number = ++opened.current;
      leave();
      clear();
      setOpening(true);
      try {
        const photo = await picture;
        if (number === opened.current) setPhoto(photo);
        else photo.close();
      } catch (error) {
        if (number === opened.current) fail(error);
      } finally {
        if (number === opened.current) setOpening(false);
      }
    },
    [fail, clear, leave],
  );
  const startCamera = useCallback<Inverter["startCamera"]>(
    (wanted) => {
      opened.current++;
      setOpening(false);
      start(wanted);
    },
    [start],
  );
  const openSample = useCallback((address: string) => open(photoFromAddress(address)), [open]);
  const openFile = useCallback((file: File) => open(photoFromFile(file, file.name)), [open]);

  // Something to see from the start.
  useEffect(() => {
    openSample(firstSample);
  }, [openSample, firstSample]);

  return {
    ...models,
    busy: busy || opening,
    problem: problem ?? editProblem ?? modelProblem,
    shown,
    camera,
    framesPerSecond,
    firstResult,
    strength,
    styles,
    kinds,
    pictures: pictures && addressOf(pictures),
    style,
    openSample,
    openFile,
    fail,
    choose(change) {
      // At once, or the old message stands beside the new choice until that is being loaded.
      clear();
      clearModels();
      models.choose(change);
    },
    startCamera,
    stopCamera() {
      clear(); // of a camera that is silent
      leave();
    },
    setMirror(value) {
      control.setMirror(value);
      if (camera && !live && photo) setPhoto(mirrored(photo)); // it was taken of that camera
    },
    setStrength(value) {
      strengthNow.current = value;
      setStrengthState(value);
      if (!live && shown?.result) composite(shown.photo);
    },
    setStyle(value) {
      styleNow.current = value;
      setChosen((old) => ({ ...old, [adder?.path ?? ""]: value }));
      if (!live && shown?.result) composite(shown.photo);
    },
    setLive(value) {
      const frame = value ? undefined : take();
      if (!value && !frame) return; // the camera has shown nothing yet
      clear();
      if (frame) setPhoto(frame);
      control.setLive(value);
    },
    tryAgain() {
      clear();
      const code = (problem ?? editProblem ?? modelProblem)?.code;
      models.retry(code === "crashed" || code === "gpu-lost");
    },
  };
}

function nextFrame(): Promise<unknown> {
  return new Promise(requestAnimationFrame);
}
