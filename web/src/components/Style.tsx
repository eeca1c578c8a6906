import { anyStyle, kindOf, STEP, withKind } from "../style";
import type { Inverter } from "../useInverter";
import { Kinds } from "./Kinds";
import { Slider } from "./Slider";

/** What is added may look otherwise: kinds by their pictures, and a slider for each other number. */
export function Style({ inverter }: { inverter: Inverter }) {
  const { styles, kinds, pictures, style, setStyle } = inverter;
  if (styles.length === 0) return null;
  return (
    <section className="card style" aria-label="Style">
      {kinds.length > 0 && (
        <Kinds
          kinds={kinds}
          pictures={pictures}
          value={kindOf(inverter, style)}
          onChange={(kind) => setStyle(withKind(inverter, style, kind))}
        />
      )}
      {styles.map(
        (name, i) =>
          !kinds.includes(name) && (
            <Slider
              key={name}
              name={name[0].toUpperCase() + name.slice(1).replaceAll("_", " ")}
              value={Math.round(style[i] * 100)}
              shown={style[i] === 0 ? "as it suits" : style[i].toFixed(2)}
              range={[-100, 100, STEP]}
              onChange={(value) => setStyle(style.map((old, j) => (j === i ? value / 100 : old)))}
            />
          ),
      )}
      <div className="buttons">
        <button type="button" onClick={() => setStyle(anyStyle(inverter))}>
          Surprise me
        </button>
        <button type="button" onClick={() => setStyle(style.map(() => 0))}>
          As it suits
        </button>
      </div>
    </section>
  );
}
