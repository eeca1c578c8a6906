import { useEffect, useRef, useState } from "react";

import { Choices } from "./components/Choices";
import { Compare } from "./components/Compare";
import { Details } from "./components/Details";
import { Keep } from "./components/Keep";
import { Notice } from "./components/Notice";
import { Picture } from "./components/Picture";
import { Sources } from "./components/Sources";
import { Style } from "./components/Style";
import { Problem } from "./problems";
import { SAMPLES } from "./samples";
import { useInverter, type Inverter } from "./useInverter";
import { useOffline } from "./useOffline";

export function Page() {
  const inverter = useInverter(SAMPLES[0].address);
  const { needed, engine, loading, busy, problem, shown, camera, openFile } = inverter;
  const offline = useOffline(
    shown?.result && inverter.ready,
    needed.map(({ path }) => path).join(" "),
  );
  const after = useRef<HTMLCanvasElement>(null);
  const [dragging, setDragging] = useState(false);
  const result = shown?.result;
  const [entry] = needed;
  const judge = inverter.entries.find(
    ({ attribute, role }) => role === "tell" && attribute === entry?.attribute,
  );
  const live = camera?.live ?? false;
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
        data-faces={result?.directions.length}
        data-directions={result?.directions.join(" ")}
        data-milliseconds={result && Math.round(shown.milliseconds)}
        data-first-result={inverter.firstResult}
        data-tensors={result?.tensors}
        data-offline={offline}
      >
        <Choices inverter={inverter} />

        <section className="stage" aria-label="Result">
          <Compare shown={shown} loading={loading} busy={busy} live={live} after={after} />
          <p className="status">
            <span role="status">{statusWords(inverter)}</span>
            {/* Changes all the time: not for a screen reader to read out. */}
            {live && result && (
              <span aria-hidden="true"> {inverter.framesPerSecond.toFixed(1)} frames a second</span>
            )}
          </p>
          {problem && <Notice problem={problem} onRetry={inverter.tryAgain} />}
          {/* In live mode it would come and go; the line above says it there. */}
          {!problem && !live && result?.hint && <Notice problem={new Problem(result.hint)} hint />}
          <Keep inverter={inverter} picture={after} />
        </section>

        <Style inverter={inverter} />

        <Sources inverter={inverter} />

        <section className="inside" aria-label="Step by step">
          <div className="pictures">
            <Picture title="What the model sees" pixels={result?.views?.crop}>
              The face, found, turned upright and cut out at {entry?.size ?? 128} pixels.
            </Picture>
            <Picture title="Residual" pixels={result?.views?.residual}>
              All that the network computes, at a fixed range. Grey changes nothing; black darkens,
              white brightens.
            </Picture>
            <Picture title="Where it changes" pixels={result?.views?.heat}>
              The residual's size, whatever its sign: black is nothing.{" "}
              {entry?.network === "attention" &&
                "(The network's own mask is not exported: the graph has one output.)"}
            </Picture>
            <Picture title="Edited" pixels={result?.views?.edited}>
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
        {judge?.accuracy && (
          <p>
            “Invert” asks a small classifier whether the attribute is there. On held-out photos it
            was right for {Math.floor(100 * judge.accuracy)} of 100, so expect a slip now and then.
          </p>
        )}
        <p>
          {offline === "ready" && "This page is kept on your device and works offline. "}
          <a href="./licences.txt">Licences of the software in this page</a>
        </p>
      </footer>
    </div>
  );
}

function statusWords(inverter: Inverter): string {
  const { loading, busy, problem, shown, camera, attribute, lost, engine } = inverter;
  if (loading !== undefined) return `Loading the model: ${Math.round(loading * 100)}%`;
  if (busy) return "Looking for the face…";
  const result = shown?.result;
  if (!result || (problem && !camera?.live)) return "";
  if (camera?.live && !shown.live) return problem ? "" : "Waiting for the camera…";
  const { directions, hint } = result;
  const after = lost && engine ? ` ${lost}; now ${engine.backend} computes.` : "";
  if (camera?.live) {
    if (hint) return `Live. ${new Problem(hint).title}${after}`;
    return (directions.length ? "Live." : "Live. No face found: look at the camera, or come closer.") + after;
  }
  const faces = directions.length === 1 ? "1 face" : `${directions.length} faces`;
  const ways = new Set(directions);
  const what =
    ways.size === 2 ? "inverted" : ways.has("add") ? "added" : "removed";
  return `${faces}: ${attribute} ${what} in ${Math.round(shown.milliseconds)} ms.${after}`;
}
