import type { Mode } from "../invert";
import { modesOf } from "../models";
import type { Inverter } from "../useInverter";
import { Slider } from "./Slider";

const MODES: Mode[] = ["add", "remove", "invert"];
const STRONGEST = 150;

/** Which attribute, what to do with it, and how strongly: whatever models the manifest has. */
export function Choices({ inverter }: { inverter: Inverter }) {
  const { entries, attribute, mode, choose, strength, setStrength } = inverter;
  if (!attribute) return null;
  const attributes = [...new Set(entries.map((entry) => entry.attribute))].filter(
    (each) => modesOf(entries, each).length > 0, // a classifier alone changes nothing
  );
  const possible = modesOf(entries, attribute);
  const percent = Math.round(strength * 100);
  return (
    <section className="card choices" aria-label="What to change">
      <Switch
        name="attribute"
        legend="Attribute"
        options={attributes.map((value) => ({ value, enabled: true }))}
        value={attribute}
        onChange={(value) => choose(value, mode)}
      />
      <Switch
        name="direction"
        legend="Direction"
        options={MODES.map((value) => ({ value, enabled: possible.includes(value) }))}
        value={mode}
        onChange={(value) => choose(attribute, value as Mode)}
      />
      <Slider
        name="Strength"
        value={percent}
        shown={`${percent}%`}
        range={[0, STRONGEST, 5]}
        onChange={(value) => setStrength(value / 100)}
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
