import type { Mode } from "../invert";
import { modesOf } from "../models";
import type { Inverter } from "../useInverter";

const MODES: Mode[] = ["add", "remove", "invert"];
const STRONGEST = 150;

/** Which attribute, what to do with it, and how strongly: whatever models the manifest has. */
export function Choices({ inverter }: { inverter: Inverter }) {
  const { entries, attribute, mode, choose, strength, setStrength } = inverter;
  const { styles, style, setStyle } = inverter;
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
      {styles.map((name, i) => (
        <Slider
          key={name}
          name={name[0].toUpperCase() + name.slice(1).replaceAll("_", " ")}
          value={Math.round(style[i] * 100)}
          shown={style[i] === 0 ? "as it suits" : style[i].toFixed(2)}
          range={[-100, 100, 5]}
          onChange={(value) => setStyle(style.map((old, j) => (j === i ? value / 100 : old)))}
        />
      ))}
      {styles.length > 0 && (
        <div className="buttons">
          <button type="button" onClick={() => setStyle(style.map(anyStyle))}>
            Surprise me
          </button>
          <button
            type="button"
            disabled={style.every((value) => value === 0)}
            onClick={() => setStyle(style.map(() => 0))}
          >
            As it suits
          </button>
        </div>
      )}
    </section>
  );
}

function anyStyle(): number {
  return Math.round(40 * Math.random() - 20) / 20;
}

interface SliderProperties {
  name: string;
  value: number;
  /** The value in words. */
  shown: string;
  range: [least: number, most: number, step: number];
  onChange(value: number): void;
}

function Slider({ name, value, shown, range: [least, most, step], onChange }: SliderProperties) {
  return (
    <label className="slider">
      <span>
        {name} <output>{shown}</output>
      </span>
      <input
        type="range"
        aria-label={name}
        aria-valuetext={shown}
        min={least}
        max={most}
        step={step}
        value={value}
        onChange={(event) => onChange(Number(event.target.value))}
      />
    </label>
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
