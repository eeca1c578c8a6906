import { useRef } from "react";

import { SAMPLES } from "../samples";
import type { Inverter } from "../useInverter";

/** Where the picture comes from: the camera, a photo, a sample. */
export function Sources({ inverter }: { inverter: Inverter }) {
  const { camera, startCamera, stopCamera, openFile, openSample, setLive, setMirror } = inverter;
  const file = useRef<HTMLInputElement>(null);
  return (
    <section className="card sources" aria-label="Picture">
      <h2>Picture</h2>
      <div className="buttons">
        {camera ? (
          <button type="button" onClick={stopCamera}>
            Stop camera
          </button>
        ) : (
          <button type="button" className="primary" onClick={() => startCamera()}>
            Use camera
          </button>
        )}
        <button type="button" onClick={() => file.current?.click()}>
          Open photo
        </button>
        <input
          ref={file}
          type="file"
          accept="image/*"
          aria-label="Photo"
          hidden
          onChange={(event) => {
            const chosen = event.target.files?.[0];
            event.target.value = ""; // so that the same file can be chosen again
            if (chosen) openFile(chosen);
          }}
        />
      </div>

      {camera ? (
        <div className="camera">
          <button
            type="button"
            className="primary"
            disabled={camera.starting}
            onClick={() => setLive(!camera.live)}
          >
            {camera.live ? "Take a photo" : "Back to live"}
          </button>
          <label className="check">
            <input
              type="checkbox"
              checked={camera.mirror}
              onChange={(event) => setMirror(event.target.checked)}
            />
            Mirror
          </label>
          {camera.facing && camera.devices.length > 1 && (
            <button
              type="button"
              className="turn"
              onClick={() =>
                startCamera({ facing: camera.facing === "user" ? "environment" : "user" })
              }
            >
              {camera.facing === "user" ? "Use the back camera" : "Use the front camera"}
            </button>
          )}
          {camera.devices.length > 1 && (
            <label className="device">
              <span>Camera</span>
              <select
                value={camera.deviceId}
                onChange={(event) => startCamera({ deviceId: event.target.value })}
              >
                {camera.devices.map((device, index) => (
                  <option key={device.deviceId} value={device.deviceId}>
                    {device.label || `Camera ${index + 1}`}
                  </option>
                ))}
              </select>
            </label>
          )}
        </div>
      ) : (
        <p className="hint">Or drop a photo on the page, or paste one.</p>
      )}

      <ul className="samples" aria-label="Samples">
        {SAMPLES.map(({ address, words }) => (
          <li key={address}>
            <button type="button" onClick={() => openSample(address)}>
              <img src={address} alt={words} width="64" height="64" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
