import { useEffect, useState } from "react";

import { Choices } from "./components/Choices";
import { Compare } from "./components/Compare";
import { Details } from "./components/Details";
import { Notice } from "./components/Notice";
import { Picture } from "./components/Picture";
import { Sources } from "./components/Sources";
import { SAMPLES } from "./samples";
import { useInverter } from "./useInverter";

export function Page() {
  const inverter = useInverter(SAMPLES[0].address);
  const { entry, engine, loading, busy, problem, shown, camera, openFile } = inverter;
  const [dragging, setDragging] = useState(false);
  const result = shown?.result;
  const state =
    problem && !camera ? "problem" : loading !== undefined ? "loading" : busy ? "working" : "ready";

  // A picture from the clipboard, wherever on the page it is pasted.
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const file = event.clipboardData?.files[0];
      if (file) openFile(file);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, [openFile]);

  return (
    <div
      className={dragging ? "page dragging" : "page"}
      onDragOver={(event) => {
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={() => setDragging(false)}
      onDrop={(event) => {
        event.preventDefault();
        setDragging(false);
        const file = event.dataTransfer.files[0];
        if (file) openFile(file);
      }}
    >
      <header className="header">
        <h1>Facial Attribute Inverter</h1>
        <p>
          Put glasses or a hat on a face, or take them off.{" "}
          <strong className="private">Nothing leaves your device.</strong>
        </p>
      </header>

      <main
        className="main"
        data-state={state}
        data-backend={engine?.backend}
        data-difference={inverter.difference}
        data-result={shown?.number}
        data-faces={result?.faces}
        data-milliseconds={result && Math.round(shown.milliseconds)}
        data-first-result={inverter.firstResult}
        data-tensors={result?.tensors}
      >
        <Choices inverter={inverter} />

        <section className="stage" aria-label="Result">
          <Compare shown={shown} loading={loading} busy={busy} live={camera?.live ?? false} />
          <p className="status" role="status">
            {statusWords(inverter)}
          </p>
          {problem && <Notice problem={problem} onRetry={inverter.retry} />}
        </section>

        <Sources inverter={inverter} />

        <section className="inside" aria-label="Step by step">
          <div className="pictures">
            <Picture title="What the model sees" pixels={result?.crop}>
              The face, found, turned upright and cut out at {entry?.size ?? 128} pixels.
            </Picture>
            <Picture title="Residual" pixels={result?.residual}>
              All that the network computes. Grey changes nothing; black darkens, white brightens.
            </Picture>
            <Picture title="Edited" pixels={result?.edited}>
              Their sum. Warped back, the residual is added to the photo at its full resolution.
            </Picture>
          </div>
          <Details inverter={inverter} />
        </section>
      </main>

      <footer className="footer">
        <p>
          The photo and the camera's frames stay in this browser: its security policy lets this page
          connect to nothing but its own server, which only sends files.
        </p>
        {entry && (
          <p>
            This model learned from: {entry.data}. Licence of its weights: {entry.licence}. It was
            made for teaching. It knows upright faces that look at the camera, and it can't tell who
            anybody is.
          </p>
        )}
        <p>
          <a href="./licences.txt">Licences of the software in this page</a>
        </p>
      </footer>
    </div>
  );
}

function statusWords({ loading, busy, problem, shown, camera, entry }: Inverter): string {
  if (loading !== undefined) return `Loading the model: ${Math.round(loading * 100)}%`;
  if (busy) return "Looking for the face…";
  const result = shown?.result;
  if (!result || (problem && !camera)) return "";
  if (camera?.live) {
    const rate = camera.framesPerSecond;
    const frames = rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} frames a second` : "";
    return result.faces ? `Live. ${frames}` : "Live. No face in the picture.";
  }
  const faces = result.faces === 1 ? "1 face" : `${result.faces} faces`;
  const what = entry?.direction === "add" ? "added" : "removed";
  return `${faces}: ${entry?.attribute} ${what} in ${Math.round(shown.milliseconds)} ms.`;
}

type Inverter = ReturnType<typeof useInverter>;
