import type { Direction } from "../models";
import type { Inverter } from "../useInverter";

const DIRECTIONS: Direction[] = ["add", "remove"];

/** Which attribute, and whether to add or to remove it: whatever models the manifest has. */
export function Choices({ inverter }: { inverter: Inverter }) {
  const { entries, entry, choose } = inverter;
  if (!entry) return null;
  const attributes = [...new Set(entries.map((other) => other.attribute))];
  const has = (direction: Direction) =>
    entries.some(
      (other) => other.attribute === entry.attribute && other.direction === direction,
    );
  return (
    <section className="card choices" aria-label="What to change">
      <Switch
        name="attribute"
        legend="Attribute"
        options={attributes.map((value) => ({ value, enabled: true }))}
        value={entry.attribute}
        onChange={(attribute) => choose(attribute, entry.direction)}
      />
      <Switch
        name="direction"
        legend="Direction"
        options={DIRECTIONS.map((value) => ({ value, enabled: has(value) }))}
        value={entry.direction}
        onChange={(direction) => choose(entry.attribute, direction as Direction)}
      />
    </section>
  );
}

interface SwitchProperties {
  name: string;
  legend: string;
  options: { value: string; enabled: boolean }[];
  value: string;
  onChange(value: string): void;
}

function Switch({ name, legend, options, value, onChange }: SwitchProperties) {
  return (
    <fieldset className="switch">
      <legend>{legend}</legend>
      <div className="segments">
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              disabled={!option.enabled}
              onChange={() => onChange(option.value)}
            />
            <span>{option.value.replaceAll("_", " ")}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
