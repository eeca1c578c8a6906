import type { Mode } from "../invert";
import { modesOf, networksOf } from "../models";
import type { Inverter } from "../useInverter";
import { Slider } from "./Slider";

const MODES: Mode[] = ["add", "remove", "invert"];
/** What learners call them; another network is called what its manifest calls it. */
const NETWORKS: Record<string, string> = { attention: "ours", paper: "2019" };
const STRONGEST = 150;

/** Which attribute, what to do with it, and how strongly: whatever models the manifest has. */
export function Choices({ inverter }: { inverter: Inverter }) {
  const { entries, attribute, network, mode, choose, strength, setStrength } = inverter;
  if (!attribute) return null;
  const attributes = [...new Set(entries.map((entry) => entry.attribute))].filter(
    (each) => networksOf(entries, each).length > 0, // a classifier alone changes nothing
  );
  const networks = networksOf(entries, attribute);
  const possible = modesOf(entries, attribute, network);
  const percent = Math.round(strength * 100);
  return (
    <section className="card choices" aria-label="What to change">
      <Switch
        name="attribute"
        legend="Attribute"
        options={attributes.map((value) => ({ value, enabled: true }))}
        value={attribute}
        onChange={(value) => choose({ attribute: value })}
      />
      <Switch
        name="direction"
        legend="Direction"
        options={MODES.map((value) => ({ value, enabled: possible.includes(value) }))}
        value={mode}
        onChange={(value) => choose({ mode: value as Mode })}
      />
      {networks.length > 1 && (
        <Switch
          name="network"
          legend="Network"
          options={networks.map((value) => ({ value, enabled: true, name: NETWORKS[value] }))}
          value={network}
          onChange={(value) => choose({ network: value })}
        />
      )}
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
  options: { value: string; enabled: boolean; name?: string }[];
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
            <span>{option.name ?? option.value.replaceAll("_", " ")}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
