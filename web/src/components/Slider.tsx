interface SliderProperties {
  name: string;
  value: number;
  /** The value in words. */
  shown: string;
  range: [least: number, most: number, step: number];
  onChange(value: number): void;
}

export function Slider({ name, value, shown, range: [least, most, step], onChange }: SliderProperties) {
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
