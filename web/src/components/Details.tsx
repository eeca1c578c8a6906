import type { Inverter } from "../useInverter";

/** The numbers behind the picture, for those who want to see inside. */
export function Details({ inverter }: { inverter: Inverter }) {
  const { engine, entry, difference, shown } = inverter;
  if (!engine || !entry) return null;
  const result = shown?.result;
  const rows: [string, string][] = [
    ["Network", `${entry.network}, ${entry.parameters.toLocaleString("en")} parameters`],
    ["Download", `${(entry.bytes / 1e6).toFixed(1)} MB of weights`],
    ["Backend", engine.backend],
  ];
  if (engine.passedOver.length) rows.push(["Not used", engine.passedOver.join("; ")]);
  if (difference !== undefined) {
    rows.push(["Self-test", `at most ${difference.toPrecision(1)} from what Keras computed`]);
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
