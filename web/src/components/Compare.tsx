import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties, type RefObject } from "react";

import type { Shown } from "../useInverter";

interface Properties {
  shown?: Shown;
  loading?: number;
  busy: boolean;
  live: boolean;
  /** The canvas that shows the picture after the edit, for whoever wants to keep it. */
  after: RefObject<HTMLCanvasElement | null>;
}

/** The picture before (left of the slider) and after (right of it), at its full resolution. */
export function Compare({ shown, loading, busy, live, after }: Properties) {
  // Where the user has put the slider, on this photo or in this film.
  const [chosen, setChosen] = useState<number>();
  const [found, setFound] = useState(false);
  const before = useRef<HTMLCanvasElement>(null);
  const drawn = useRef<ImageBitmap>(undefined);
  const { width, height } = shown?.photo ?? { width: 1, height: 1 };

  const about = live ? undefined : shown?.photo;
  useEffect(() => setChosen(undefined), [live, about]);
  // A face in motion would move the slider.
  const split = chosen ?? (live ? 0 : leftOfEdits(shown));

  useLayoutEffect(() => {
    if (!shown) return;
    const { photo, result } = shown;
    if (drawn.current !== photo) draw(before.current!, photo);
    drawn.current = photo;
    const context = draw(after.current!, photo);
    for (const { pixels, x, y } of result?.patches ?? []) context.putImageData(pixels, x, y);
  }, [shown, after]);

  const edited = (shown?.result?.directions.length ?? 0) > 0;
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
          {!found && (
            <span className="tag drag" aria-hidden="true">
              Drag to compare
            </span>
          )}
          <input
            type="range"
            min="0"
            max="100"
            value={split}
            aria-label="Share of the picture that shows before"
            onChange={(event) => {
              setChosen(Number(event.target.value));
              setFound(true);
            }}
          />
        </>
      )}
      {loading !== undefined && (
        <progress aria-label="Loading the model" max="1" value={loading} />
      )}
    </div>
  );
}

/**
 * Where the slider starts, in percent of the width: close to the left of what has changed, so that
 * the edit is seen whole, and the slider beside it.
 */
function leftOfEdits(shown?: Shown): number {
  const patches = shown?.result?.patches ?? [];
  if (!shown || patches.length === 0) return 0;
  const left = Math.min(...patches.map(({ x }) => x));
  return Math.floor(Math.min(50, (100 * left) / shown.photo.width));
}

function draw(canvas: HTMLCanvasElement, photo: ImageBitmap): CanvasRenderingContext2D {
  // Setting the size clears a canvas, and costs time at every live frame.
  if (canvas.width !== photo.width) canvas.width = photo.width;
  if (canvas.height !== photo.height) canvas.height = photo.height;
  const context = canvas.getContext("2d")!;
  context.drawImage(photo, 0, 0);
  return context;
}
