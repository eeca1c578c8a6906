import { useEffect, useRef, useState, type RefObject } from "react";

import { canCopy, canRecord, clipSuffix, copyPicture, download, pngOf, record } from "../keep";
import type { Recording } from "../keep";
import { asProblem, Problem } from "../problems";
import type { Inverter } from "../useInverter";
import { Notice } from "./Notice";

interface Properties {
  inverter: Inverter;
  /** The edited picture at its full resolution. */
  picture: RefObject<HTMLCanvasElement | null>;
}

const LONGEST_CLIP = 15; // seconds

/** Take the result along. */
export function Keep({ inverter, picture }: Properties) {
  const { attribute, mode, shown, camera } = inverter;
  const [answer, setAnswer] = useState<string | Problem>();
  const [recording, setRecording] = useState<Recording>();
  const current = useRef<Recording>(undefined);
  const live = camera?.live ?? false;
  const name = `${attribute}-${mode}`;

  // A clip ends with the live picture.
  useEffect(() => {
    if (!live) current.current?.stop();
  }, [live]);
  // The answer is about this photo; live, where each frame is a new one, it stays.
  const about = live ? undefined : shown?.photo;
  useEffect(() => setAnswer(undefined), [live, about]);

  async function attempt(work: () => Promise<string>): Promise<void> {
    setAnswer(undefined); // or the same answer twice would look like none
    setAnswer(await work().catch(asProblem));
  }

  async function recordClip(): Promise<string> {
    if (!canRecord()) throw new Problem("record-failed");
    const started = record(picture.current!, LONGEST_CLIP);
    current.current = started;
    setRecording(started);
    try {
      const clip = await started.clip;
      download(clip, `${name}.${clipSuffix(clip)}`);
      return "Saved the clip.";
    } finally {
      current.current = undefined;
      setRecording(undefined);
    }
  }

  if (!shown?.result?.directions.length && !live) return null;
  return (
    <div className="keep" role="group" aria-label="Keep">
      <button
        type="button"
        onClick={() =>
          attempt(async () => {
            download(await pngOf(picture.current!), `${name}.png`);
            return "Saved the picture.";
          })
        }
      >
        Download
      </button>
      <button
        type="button"
        onClick={() =>
          attempt(async () => {
            if (!canCopy()) throw new Problem("copy-failed");
            await copyPicture(picture.current!);
            return "Copied the picture.";
          })
        }
      >
        Copy
      </button>
      {live &&
        (recording ? (
          <button type="button" className="recording" onClick={recording.stop}>
            Stop recording
          </button>
        ) : (
          <button type="button" onClick={() => attempt(recordClip)}>
            Record clip
          </button>
        ))}
      <span role="status" className="said">
        {recording
          ? `Recording, at most ${LONGEST_CLIP} seconds…`
          : typeof answer === "string" && answer}
      </span>
      {answer instanceof Problem && <Notice problem={answer} />}
    </div>
  );
}
