import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties } from "react";

import type { Shown } from "../useInverter";

interface Properties {
  shown?: Shown;
  loading?: number;
  busy: boolean;
  live: boolean;
}

/** The picture before (left of the slider) and after (right of it), at its full resolution. */
export function Compare({ shown, loading, busy, live }: Properties) {
  const [split, setSplit] = useState(50);
  const before = useRef<HTMLCanvasElement>(null);
  const after = useRef<HTMLCanvasElement>(null);
  const { width, height } = shown?.photo ?? { width: 4, height: 3 };

  // Who looks at themselves wants to see the whole face with the edit.
  useEffect(() => setSplit(live ? 0 : 50), [live]);

  useLayoutEffect(() => {
    if (!shown) return;
    for (const canvas of [before.current!, after.current!]) {
      // Setting the size clears a canvas, and costs time at every live frame.
      if (canvas.width !== shown.photo.width) canvas.width = shown.photo.width;
      if (canvas.height !== shown.photo.height) canvas.height = shown.photo.height;
      canvas.getContext("2d")!.drawImage(shown.photo, 0, 0);
    }
    for (const { pixels, x, y } of shown.result?.patches ?? []) {
      after.current!.getContext("2d")!.putImageData(pixels, x, y);
    }
  }, [shown]);

  const edited = (shown?.result?.faces ?? 0) > 0;
  const style = { "--split": `${split}%`, "--ratio": width / height } as CSSProperties;
  return (
    <div className={busy ? "compare busy" : "compare"} style={style}>
      <canvas ref={before} className="before" role="img" aria-label="The picture before" />
      <canvas ref={after} className="after" role="img" aria-label="The picture after the edit" />
      {edited && (
        <>
          {split > 15 && <span className="tag left">Before</span>}
          {split < 85 && <span className="tag right">After</span>}
          <div className="line" />
          <div className="knob" />
          <input
            type="range"
            min="0"
            max="100"
            value={split}
            aria-label="Share of the picture that shows before"
            onChange={(event) => setSplit(Number(event.target.value))}
          />
        </>
      )}
      {loading !== undefined && (
        <progress aria-label="Loading the model" max="1" value={loading} />
      )}
    </div>
  );
}
