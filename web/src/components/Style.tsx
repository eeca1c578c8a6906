import type { Inverter } from "../useInverter";
import { Slider } from "./Slider";

/** Sliders run from -100 to 100, in steps of: */
const STEP = 5;

/** What is added may look otherwise: a slider for each number of the model's style. */
export function Style({ inverter: { styles, style, setStyle } }: { inverter: Inverter }) {
  if (styles.length === 0) return null;
  return (
    <section className="card style" aria-label="Style">
      {styles.map((name, i) => (
        <Slider
          key={name}
          name={name[0].toUpperCase() + name.slice(1).replaceAll("_", " ")}
          value={Math.round(style[i] * 100)}
          shown={style[i] === 0 ? "as it suits" : style[i].toFixed(2)}
          range={[-100, 100, STEP]}
          onChange={(value) => setStyle(style.map((old, j) => (j === i ? value / 100 : old)))}
        />
      ))}
      <div className="buttons">
        <button type="button" onClick={() => setStyle(style.map(anyNumber))}>
          Surprise me
        </button>
        <button type="button" onClick={() => setStyle(style.map(() => 0))}>
          As it suits
        </button>
      </div>
    </section>
  );
}

/** Return one of the numbers that a slider has. */
function anyNumber(): number {
  const steps = 100 / STEP;
  return Math.floor(Math.random() * (2 * steps + 1) - steps) / steps;
}
