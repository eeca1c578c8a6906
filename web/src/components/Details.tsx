import { PERIOD } from "../follow";
import { BACKENDS, type Backend } from "../tasks";
import type { Inverter } from "../useInverter";

const NAMES: Record<Backend, string> = {
  webgpu: "WebGPU",
  webgl: "WebGL",
  wasm: "WebAssembly",
  cpu: "JavaScript",
};

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** The numbers behind the picture, for those who want to see inside. */
export function Details({ inverter }: { inverter: Inverter }) {
  const { engine, needed, difference, shown, camera, framesPerSecond, only, setOnly } = inverter;
  const result = shown?.result;
  const [entry] = needed;
  const rows: [string, string][] = [];
  if (entry) {
    const bytes = needed.reduce((sum, { bytes }) => sum + bytes, 0);
    rows.push(["Network", `${entry.network}, ${entry.parameters.toLocaleString("en")} parameters`]);
    rows.push(["Download", `${(bytes / 1e6).toFixed(1)} MB of weights`]);
  }
  for (const { role, measured } of needed) {
    if (!measured) continue;
    const { count, flips, same_person, outside, brightness } = measured;
    rows.push([
      `Measured, ${role}`,
      `of ${count} held-out photos ${percent(flips)} changed as asked, ${percent(same_person)} the ` +
        `same person; outside the region ${outside.toFixed(2)} levels of 255 changed, brightness ` +
        `${brightness < 0 ? "" : "+"}${brightness.toFixed(2)}`,
    ]);
  }
  if (engine) {
    rows.push(["Computes with", NAMES[engine.backend]]);
    if (engine.passedOver.length) rows.push(["Not used", engine.passedOver.join("; ")]);
  }
  if (difference !== undefined) {
    rows.push(["Self-test", `at most ${difference.toPrecision(1)} from what Keras computed`]);
  }
  if (camera?.live) {
    rows.push(["Speed", `${framesPerSecond.toFixed(1)} frames a second`]);
    rows.push([
      "Tracking",
      `the network looks at two of ${PERIOD} frames; faces are followed between, landmarks smoothed`,
    ]);
  }
  if (result?.evidence) {
    const { probability, present } = result.evidence;
    rows.push([
      "Decision",
      `${entry.attribute} ${present ? "found" : "not found"}: the classifier says ` +
        `${Math.round(100 * probability)}%`,
    ]);
  }
  if (result) {
    const { detect, align, edit, composite } = result.milliseconds;
    const round = (value: number) => Math.round(value);
    rows.push([
      "Milliseconds",
      `detect ${round(detect)}, align ${round(align)}, edit ${round(edit)}, ` +
        `composite ${round(composite)}; ${round(shown.milliseconds)} in all`,
    ]);
    rows.push(["Tensors kept", String(result.tensors)]);
  }
  return (
    <details className="details">
      <summary>See inside</summary>
      <label className="device">
        <span>Compute with</span>
        <select
          value={only ?? ""}
          onChange={(event) => setOnly((event.target.value || undefined) as Backend | undefined)}
        >
          <option value="">Automatic: the first that is fast and right</option>
          {BACKENDS.map((backend) => (
            <option key={backend} value={backend}>
              {NAMES[backend]}
            </option>
          ))}
        </select>
      </label>
      <dl>
        {rows.map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
